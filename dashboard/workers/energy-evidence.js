/** What a mark of the energy band stands on: metric, value, unit, source and age. Pure. */
import {endOf} from './energy-lane.js';
import {bars} from './energy-notes.js';
import {rippleAt, strongest} from './energy-ripples.js';
import {SPAN_US, ageAt, dotHeight, energyAt, xOf} from './energy-shapes.js';

/** @typedef {import('./energy-lane.js').Lane} Lane */
/** @typedef {import('./energy-shapes.js').Rows} Rows */
/** @typedef {import('./energy-shapes.js').Box} Box */
/** @typedef {{lane: Lane, rows: Rows|null, interference: import('./energy-rows.js').Beside[], box: Box}} Shown a lane with its rows of model.energy and model.interference */
/** @typedef {{x?: number, y?: number, lane?: number, burst?: boolean}} Asked a point; or a lane: its newest token, or its burst */

const NEAR_US = 150_000;
const NONE = NaN;

/**
 * What stands at a point, or is newest in a lane, with the place of its mark; null where no lane is.
 * @param {Asked} asked @param {Shown[]} shown @param {import('./energy-ripples.js').Ripple[]} together
 * @param {number} now_us @param {boolean} still bars stand in place of motion
 */
export function evidenceFor({x, y, lane: wanted, burst}, shown, together, now_us, still) {
    const ripple = x === undefined || y === undefined ? undefined : rippleAt(together, x, y);
    if (ripple) return rippleEvidence(ripple, shown, now_us);
    const found = shown[wanted ?? shown.findIndex(({box}) => (y ?? 0) <= box.bottom)];
    if (!found) return null;
    const {lane, rows, box} = found;
    if (burst) return {...rateEvidence(lane, now_us), kind: 'burst', x: box.right, y: box.middle};
    if (still && x !== undefined) return barEvidence(found, y ?? box.middle, now_us);
    const time_us = x === undefined ? lane.last_us : now_us - SPAN_US * (box.right - x) / (box.right - box.left);
    const evidence = evidenceAt(lane, rows, time_us, now_us, x === undefined ? NONE : y ?? NONE, box);
    return {
        ...evidence, x: evidence.time_us === evidence.time_us && !still ? xOf(box, now_us)(evidence.time_us) : x ?? box.right,
        y: evidence.dot_y === evidence.dot_y && !still ? evidence.dot_y : box.middle,
    };
}

/** @param {import('./energy-ripples.js').Ripple} ripple @param {Shown[]} shown @param {number} now_us */
function rippleEvidence({one, other, name, r, x, y}, shown, now_us) {
    const {lane, interference} = shown[one], {rows} = strongest(interference, now_us);
    return {kind: 'ripple', model: lane.model, other: name || (shown[other]?.lane.model ?? ''), named: name !== '', r, age_ms: ageAt(rows, now_us), x, y};
}

/** The rate of now, as old as its newest token. @param {Lane} lane @param {number} now_us */
function rateEvidence(lane, now_us) {
    return {
        kind: 'rate', model: lane.model, state: lane.state(now_us), tps: lane.rateNow(now_us), last_tps: lane.lastRate,
        age_ms: (now_us - lane.last_us) / 1000, burst_tps: lane.burst_tps,
    };
}

/** @param {Shown} shown @param {number} y px @param {number} now_us */
function barEvidence({lane, rows, box}, y, now_us) {
    const {left, width, rate_y, energy_y} = bars(box);
    if (y < box.middle) return {...rateEvidence(lane, now_us), x: left + width, y: rate_y};
    return {kind: 'energy', model: lane.model, energy: energyAt(rows, now_us), age_ms: ageAt(rows, now_us), x: left + width, y: energy_y};
}

/**
 * @param {Lane} lane @param {Rows|null} rows of model.energy
 * @param {number} time_us asked for @param {number} now_us @param {number} y px, NaN: not asked for @param {Box} box
 */
export function evidenceAt(lane, rows, time_us, now_us, y, box) {
    const gap = lane.gaps.find(({from_us, to_us}) => time_us > from_us && time_us < to_us)
        ?? (lane.open && time_us > lane.last_us && now_us - lane.last_us > lane.stall_us ? {from_us: lane.last_us, to_us: now_us} : null);
    const charge = lane.charges.find(({from_us, to_us}) => time_us >= from_us && !(time_us > (to_us === to_us ? to_us : now_us)));
    const row = nearest(lane, time_us, y, box);
    const near = row >= 0 && Math.abs(lane.times[row] - time_us) <= NEAR_US;
    const at = near ? row : -1;
    const charged_us = charge ? endOf(charge, now_us) : NONE;
    const kind = gap ? 'stall' : charge ? 'charging' : near ? 'token' : 'nothing';
    return {
        kind, model: lane.model,
        time_us: at >= 0 ? lane.times[at] : NONE,
        /** Of what `kind` says: since it ended; 0 while it goes on. */
        age_ms: (now_us - {stall: gap?.to_us ?? NONE, charging: charged_us, token: lane.times[at], nothing: time_us}[kind]) / 1000,
        gap_ms: at > lane.start ? (lane.times[at] - lane.times[at - 1]) / 1000 : NONE,
        tps: at >= 0 ? lane.rate(lane.times[at]) : NONE,
        bits: at >= 0 ? lane.bits[at] : NONE, low_bits: at >= 0 ? lane.low_bits[at] : NONE, high_bits: at >= 0 ? lane.high_bits[at] : NONE,
        certainty: at >= 0 ? lane.certainty[at] : NONE,
        energy: energyAt(rows, at >= 0 ? Math.min(lane.times[at] + 50_000, now_us) : time_us),
        stall_limit_ms: lane.stall_us / 1000, burst_tps: lane.burst_tps,
        stall_ms: gap ? (gap.to_us - gap.from_us) / 1000 : NONE,
        waiting_ms: charge ? (charged_us - charge.from_us) / 1000 : NONE,
        dot_y: at >= 0 && lane.bits[at] === lane.bits[at] ? dotHeight(box, lane.bits[at]) : NONE,
    };
}

/** The token nearest in time; where a height is pointed at, the nearest dot. @param {import('./energy-lane.js').Lane} lane @param {number} time_us @param {number} y @param {import('./energy-shapes.js').Box} box */
function nearest(lane, time_us, y, box) {
    let best = -1, distance = Infinity;
    const scale = (box.right - box.left) / SPAN_US;
    for (let row = Math.max(lane.after(time_us - NEAR_US) - 1, lane.start); row < lane.end && lane.times[row] <= time_us + NEAR_US; row++) {
        const across = Math.abs(lane.times[row] - time_us) * scale;
        const down = y === y && y < box.middle - 8 && lane.bits[row] === lane.bits[row] ? Math.abs(dotHeight(box, lane.bits[row]) - y) : 0;
        if (across + down < distance) { distance = across + down; best = row; }
    }
    return best;
}
