/**
 * Where the marks of a lane stand (CONTRACTS §4, LOOK "Energy"). Pure: a lane, the rows of its energy, the time and a
 * box come in, shapes in CSS px come out. Every shape is a measurement; what was not measured has no shape.
 */
import {FULL_TPS} from '../scale.js';
import {endOf} from './energy-lane.js';
import {upperBound} from './rings.js';

/** @typedef {import('./energy-lane.js').Lane} Lane */

export const SPAN_US = 10e6;
export const HALF_LIFE_US = 700_000;
const LEAST_WIDTH = 4, MOST_WIDTH = 12;
const MOST_BITS = 6;
/** A ribbon is read on this grid of the clock, so it does not shimmer while it scrolls. */
export const CELL_US = 50_000;
const STEP_US = 100_000;
/** Half of what a pixel of 8 bits can tell. */
const LEAST_GLOW = 1 / 512;
/** A stroke fainter than this is gone. */
const FAINT = 0.03;
/** Of 0 to 8 px: Δt of 25 ms is widest, 400 ms and more narrowest, by its logarithm. */
const SHORT_MS = 25, LONG_MS = 400;
/** Most lightning at once in a third of the view, as the flash rule of WCAG 2.3.1 allows (DASHBOARD "For people"). */
export const MOST_SPARK_PX = 5000;
/** A stroke thins out to both ends: it covers this part of the box around it. */
export const SPARK_FILL = 1 / 4;

/**
 * @typedef {{left: number, right: number, top: number, middle: number, bottom: number}} Box
 * @typedef {{times: Float64Array, values: Float64Array, start: number, end: number, period_us: number}} Rows
 * @typedef {{x: number, half: number}[]} Ribbon
 */

/** @param {Box} box @param {number} now_us */
export function xOf({left, right}, now_us) {
    const scale = (right - left) / SPAN_US;
    return (/** @type {number} */ time_us) => right - Math.max(0, now_us - time_us) * scale;
}

/** px of the ribbon: 0 to FULL_TPS are 4 to 12; above, the number tells the rest. @param {number} tps */
export function ribbonWidth(tps) {
    return LEAST_WIDTH + (MOST_WIDTH - LEAST_WIDTH) * Math.min(Math.max(tps, 0) / FULL_TPS, 1);
}

/** px of a stroke at its middle; the first token of a flow has no Δt, and the least width. @param {number} gap_ms */
export function strokeWidth(gap_ms) {
    if (gap_ms !== gap_ms) return 2;
    const share = Math.log(LONG_MS / Math.min(Math.max(gap_ms, SHORT_MS), LONG_MS)) / Math.log(LONG_MS / SHORT_MS);
    return 2 + 6 * share;
}

/** Where in the height of a lane an entropy stands: 0 bits just over the ribbon, 6 at the top. @param {Box} box @param {number} bits */
export function dotHeight({top, middle}, bits) {
    const floor = middle - MOST_WIDTH / 2 - 3;
    return floor - (floor - top) * Math.min(Math.max(bits, 0) / MOST_BITS, 1);
}

/** Spans of time cut to the view, and to what has been. @param {import('./energy-lane.js').Span[]} spans @param {number} now_us */
function seen(spans, now_us) {
    return spans.map((span) => ({from_us: Math.max(span.from_us, now_us - SPAN_US), to_us: Math.min(endOf(span, now_us), now_us), over: span.to_us === span.to_us}))
        .filter(({from_us, to_us}) => to_us >= from_us);
}

/** Gaps of the last ten seconds, an open one with them. @param {Lane} lane @param {number} now_us */
export function gapsOf(lane, now_us) {
    const open = lane.open && now_us - lane.last_us > lane.stall_us ? [{from_us: lane.last_us, to_us: NaN}] : [];
    return [...lane.gaps, ...open].filter((gap) => endOf(gap, now_us) > now_us - SPAN_US);
}

/** The ribbon in pieces; those of a gap are hollow. @param {Lane} lane @param {number} now_us @param {Box} box */
export function ribbons(lane, now_us, box) {
    const x = xOf(box, now_us), gaps = gapsOf(lane, now_us);
    /** @type {{points: Ribbon, hollow: boolean}[]} */
    const pieces = [];
    for (const {from_us, to_us} of seen(lane.flows, now_us)) {
        let at_us = from_us;
        for (const gap of gaps.filter((one) => one.from_us < to_us && endOf(one, now_us) > from_us)) {
            if (gap.from_us > at_us) pieces.push({points: points(lane, at_us, gap.from_us, x), hollow: false});
            const end_us = Math.min(endOf(gap, now_us), to_us);
            pieces.push({points: points(lane, Math.max(gap.from_us, at_us), end_us, x), hollow: true});
            at_us = end_us;
        }
        if (to_us > at_us) pieces.push({points: points(lane, at_us, to_us, x), hollow: false});
    }
    return pieces;
}

/** @param {Lane} lane @param {number} from_us @param {number} to_us @param {(time_us: number) => number} x @returns {Ribbon} */
function points(lane, from_us, to_us, x) {
    const half = (/** @type {number} */ time_us) => ribbonWidth(lane.rate(time_us)) / 2;
    const found = [{x: x(from_us), half: half(from_us)}];
    for (let at = (Math.floor(from_us / CELL_US) + 1) * CELL_US; at < to_us; at += CELL_US) found.push({x: x(at), half: half(at)});
    found.push({x: x(to_us), half: half(to_us)});
    return found;
}

/** One arrival each, fading; merged ones say how many. @param {Lane} lane @param {number} now_us @param {Box} box */
export function strokes(lane, now_us, box) {
    const x = xOf(box, now_us);
    const reach = Math.min(box.bottom - box.middle, 22);
    const found = [];
    for (let at = lane.strokes.length - 1; at >= 0; at--) {
        const {at_us, tokens, gap_ms} = lane.strokes[at];
        const alpha = 2 ** (-Math.max(0, now_us - at_us) / HALF_LIFE_US);
        if (alpha < FAINT) break;
        found.push({x: x(at_us), width: strokeWidth(gap_ms), reach, alpha, tokens});
    }
    return found;
}

/**
 * The part of their height that strokes may have, so that together they light up no more than MOST_SPARK_PX.
 * @param {{width: number, reach: number, alpha: number}[]} all of every lane: they may stand in one third of the view
 */
export function sparkShare(all) {
    const area = all.reduce((sum, {width, reach, alpha}) => sum + width * 2 * reach * SPARK_FILL * alpha, 0);
    return area > MOST_SPARK_PX ? MOST_SPARK_PX / area : 1;
}

/**
 * One token each (or group that came in one chunk), at the height of its entropy; or `per` tokens each, in their mean.
 * A group is counted from the model's first token, so it is the same while it scrolls; one that is not whole has no dot yet.
 * @param {Lane} lane @param {number} now_us @param {Box} box @param {number} [per] tokens
 */
export function dots(lane, now_us, box, per = 1) {
    const x = xOf(box, now_us), found = [];
    const groupOf = (/** @type {number} */ row) => (per === 1 ? row : Math.floor((lane.total(row + 1) - 1) / per));
    let row = lane.after(now_us - SPAN_US);
    while (row > lane.start && row < lane.end && groupOf(row - 1) === groupOf(row)) row--;
    while (row < lane.end) {
        const group = groupOf(row);
        let count = 0, time_us = 0, bits = 0;
        for (; row < lane.end && groupOf(row) === group; row++) {
            if (lane.bits[row] !== lane.bits[row]) continue;
            count++;
            time_us += lane.times[row] - now_us;
            bits += lane.bits[row];
        }
        const whole = per === 1 || row < lane.end || lane.total(row) % per === 0;
        if (count && whole) found.push({x: x(now_us + time_us / count), y: dotHeight(box, bits / count)});
    }
    return found;
}

/** How many tokens a dot stands for, so that `count` tokens are no more than `most` dots: a power of two, and back again only with room. @param {number} count @param {number} most @param {number} before */
export function tokensPerDot(count, most, before) {
    let per = Math.max(before, 1);
    while (count / per > most) per *= 2;
    while (per > 1 && count / (per / 2) < 0.8 * most) per /= 2;
    return per;
}

/** The row that holds at a moment; −1 where none is near. @param {Rows|null} rows @param {number} time_us */
function rowAt(rows, time_us) {
    if (!rows) return -1;
    const row = upperBound(rows.times, rows.start, rows.end, time_us) - 1;
    return row < rows.start || time_us - rows.times[row] > 3 * rows.period_us ? -1 : row;
}

/** E at a moment, held from its row; NaN where none is near. @param {Rows|null} rows @param {number} time_us */
export function energyAt(rows, time_us) { return rows?.values[rowAt(rows, time_us)] ?? NaN; }

/** How old what holds at a moment is, ms; NaN where nothing does. @param {Rows|null} rows @param {number} time_us */
export function ageAt(rows, time_us) { return (time_us - (rows?.times[rowAt(rows, time_us)] ?? NaN)) / 1000; }

/**
 * Spans of time with their E, one a row; neighbours that no eye could tell apart are one, at their mean, so that the
 * energy drawn stays the energy told.
 * @param {Rows|null} rows @param {number} now_us @param {Box} box @param {number} [step] of E that is not told apart
 */
export function glow(rows, now_us, box, step = LEAST_GLOW) {
    if (!rows) return [];
    const x = xOf(box, now_us), {times, values, start, end, period_us} = rows, from_us = now_us - SPAN_US;
    /** @type {{from_us: number, to_us: number, first: number, sum: number}[]} */
    const spans = [];
    for (let row = Math.max(start, upperBound(times, start, end, from_us) - 1); row < end && times[row] < now_us; row++) {
        const energy = values[row], begins_us = Math.max(times[row], from_us);
        const ends_us = Math.min(row + 1 < end ? times[row + 1] : Infinity, times[row] + 3 * period_us, now_us);
        if (!(ends_us > begins_us) || !(energy > LEAST_GLOW)) continue;
        const last = spans.at(-1);
        if (last && last.to_us === begins_us && Math.abs(last.first - energy) < step) {
            last.to_us = ends_us;
            last.sum += energy * (ends_us - begins_us);
        } else {
            spans.push({from_us: begins_us, to_us: ends_us, first: energy, sum: energy * (ends_us - begins_us)});
        }
    }
    return spans.map((span) => ({x: x(span.from_us), width: x(span.to_us) - x(span.from_us), energy: span.sum / (span.to_us - span.from_us)}));
}

/** Whether a glow is in view. @param {Rows|null} rows @param {number} now_us */
export function glows(rows, now_us) {
    if (!rows) return false;
    const {times, values, start, end, period_us} = rows;
    let next_us = Infinity;
    for (let row = end - 1; row >= start && Math.min(next_us, times[row] + 3 * period_us) > now_us - SPAN_US; row--) {
        if (values[row] > LEAST_GLOW) return true;
        next_us = times[row];
    }
    return false;
}

/** Whether anything of a lane is in view, or goes on: its tokens and waits, or the E that outlasts them. @param {Lane} lane @param {Rows|null} rows @param {number} now_us */
export const inView = (lane, rows, now_us) => lane.moves(now_us, SPAN_US) || glows(rows, now_us);

/** ∫ E dt as the rows say it, each held until the next, s at full energy. @param {Rows|null} rows @param {number} from_us @param {number} to_us */
export function energyTold(rows, from_us, to_us) {
    if (!rows) return 0;
    let sum = 0;
    for (let row = Math.max(rows.start, upperBound(rows.times, rows.start, rows.end, from_us) - 1); row < rows.end && rows.times[row] < to_us; row++) {
        const begins = Math.max(rows.times[row], from_us);
        const next = row + 1 < rows.end ? rows.times[row + 1] : Infinity;
        const ends = Math.min(next, rows.times[row] + 3 * rows.period_us, to_us);
        if (ends > begins && rows.values[row] === rows.values[row]) sum += rows.values[row] * (ends - begins) / 1e6;
    }
    return sum;
}

/** A step each 100 ms from the prompt to the first token, growing up to the lane's height. @param {Lane} lane @param {number} now_us @param {Box} box */
export function steps(lane, now_us, box) {
    const x = xOf(box, now_us), width = STEP_US * (box.right - box.left) / SPAN_US;
    const most = Math.min(box.bottom - box.middle, 16);
    return lane.charges.filter((charge) => endOf(charge, now_us) > now_us - SPAN_US).map((charge) => {
        const begin_us = charge.from_us, to_us = Math.min(endOf(charge, now_us), now_us);
        const bars = [];
        const first = Math.max(1, Math.ceil((now_us - SPAN_US - begin_us) / STEP_US) + 1);
        for (let step = first; begin_us + step * STEP_US <= to_us; step++) {
            bars.push({x: x(begin_us + (step - 1) * STEP_US), width: Math.max(width - 2, 1), half: Math.min(2 + step, most)});
        }
        return {bars, from: x(Math.max(begin_us, now_us - SPAN_US)), to: x(to_us), begin_us, to_us, over: charge.to_us === charge.to_us};
    });
}

/** The word "end" takes so much right of an end, px. */
const END_PX = 30;

/**
 * Where flows have ended in view and the word has room before the next request: wherever it has moved to.
 * @param {Lane} lane @param {number} now_us @param {Box} box @returns {number[]} x
 */
export function ends(lane, now_us, box) {
    const x = xOf(box, now_us), word_us = END_PX * SPAN_US / (box.right - box.left);
    const inSight = [...lane.flows, ...lane.charges].filter((span) => endOf(span, now_us) > now_us - SPAN_US);
    const covered = (/** @type {number} */ end_us) => inSight.some((span) => span.from_us < end_us + word_us && endOf(span, now_us) > end_us);
    return lane.flows.map(({to_us}) => to_us).filter((to_us) => to_us > now_us - SPAN_US && !covered(to_us)).map(x);
}

/** Boxes of so many lanes, one below the other. @param {number} count @param {number} width @param {number} height @returns {Box[]} */
export function boxes(count, width, height) {
    const above = 6, below = 24, pitch = (height - above - below) / Math.max(count, 1);
    return Array.from({length: count}, (_, at) => {
        const top = above + at * pitch;
        return {left: 0, right: width - 1, top: top + 4, middle: Math.round(top + pitch * 0.58), bottom: top + pitch};
    });
}
