/**
 * From rows to what a plot draws: one column a few pixels wide, with the mean, least and greatest of
 * its rows, so a spike of one sample is still seen in an hour. Columns lie on a grid of their own width,
 * counted from 1970, so they do not shimmer while the window moves.
 *
 * Between rows the last value holds; where two rows in a row are missing, the line breaks and the time is a gap.
 */
import {upperBound} from './rings.js';

/** @typedef {import('./rings.js').Ring} Ring */
/** @typedef {import('./rings.js').Rings} Rings */
/** @typedef {import('../types').PlotSpec} PlotSpec */
/** @typedef {import('../types').LineSpec} LineSpec */
/** @typedef {import('../types').PlotColumns} PlotColumns */

/** Missing: 2 rows in a row. Half a period is left for a late tick. */
const GAP_PERIODS = 2.5;
const LEAST_TAIL_US = 1e6;

/** The narrowest grid that gives at most `columns` over the span. @param {number} span_us @param {number} columns */
export function stepFor(span_us, columns) {
    const wanted = Math.max(span_us / Math.max(columns, 1), 1000);
    const power = 10 ** Math.floor(Math.log10(wanted));
    for (const factor of [1, 2, 5, 10]) if (factor * power >= wanted * 0.999) return factor * power;
    return 10 * power;
}

/**
 * When nobody saw this table: between two rows too far apart, and after the newest one.
 * @param {Ring} ring @param {number} from_us @param {number} to_us
 * @returns {[number, number][]}
 */
export function gapsOf(ring, from_us, to_us) {
    /** @type {[number, number][]} */
    const gaps = [];
    if (ring.end === ring.start) return gaps;
    const limit = GAP_PERIODS * ring.period_us;
    const first = Math.max(ring.start, upperBound(ring.times, ring.start, ring.end, from_us) - 1);
    for (let row = first + 1; row < ring.end; row++) {
        const before = ring.times[row - 1], after = ring.times[row];
        if (before >= to_us) break;
        if (after - before > limit) gaps.push([Math.max(before, from_us), Math.min(after, to_us)]);
    }
    const tail = to_us - ring.newest_us;
    if (tail > Math.max(3 * ring.period_us, LEAST_TAIL_US)) gaps.push([Math.max(ring.newest_us, from_us), to_us]);
    return gaps;
}

/**
 * mean, min and max a column of the row-wise sum or maximum of `columns`.
 * @param {Ring} ring @param {number[]} columns @param {'one'|'sum'|'max'} how
 * @param {number} first_us start of the first column @param {number} step_us @param {number} count
 * @returns {[Float64Array, Float64Array, Float64Array]}
 */
export function condense(ring, columns, how, first_us, step_us, count) {
    const mean = new Float64Array(count).fill(NaN), least = new Float64Array(count).fill(NaN), most = new Float64Array(count).fill(NaN);
    let row = upperBound(ring.times, ring.start, ring.end, first_us);
    let held = row > ring.start ? valueAt(ring, columns, how, row - 1) : NaN;
    let heldAt = row > ring.start ? ring.times[row - 1] : -Infinity;
    const limit = GAP_PERIODS * ring.period_us;
    for (let at = 0; at < count; at++) {
        const end = first_us + (at + 1) * step_us;
        let sum = 0, n = 0, low = Infinity, high = -Infinity, rows = 0;
        while (row < ring.end && ring.times[row] <= end) {
            const value = valueAt(ring, columns, how, row);
            held = value;
            heldAt = ring.times[row];
            rows++;
            row++;
            if (value !== value) continue;
            sum += value;
            n++;
            if (value < low) low = value;
            if (value > high) high = value;
        }
        if (n) {
            mean[at] = sum / n;
            least[at] = low;
            most[at] = high;
        } else if (!rows && row < ring.end && ring.times[row] - heldAt <= limit) {
            mean[at] = least[at] = most[at] = held;
        }
    }
    return [mean, least, most];
}

/** @param {Ring} ring @param {number[]} columns @param {'one'|'sum'|'max'} how @param {number} row */
function valueAt(ring, columns, how, row) {
    let value = ring.columns[columns[0]][row];
    for (let i = 1; i < columns.length; i++) {
        const other = ring.columns[columns[i]][row];
        if (other !== other) continue;
        if (value !== value) value = other;
        else value = how === 'max' ? Math.max(value, other) : value + other;
    }
    return value;
}

/** The matching series, ring by ring. @param {Rings} rings @param {LineSpec} line */
function groups(rings, line) {
    /** @type {Map<Ring, number[]>} */
    const found = new Map();
    for (const {ring, column} of rings.matching(line.metric, line.source)) {
        const columns = found.get(ring);
        if (!columns) found.set(ring, [column]);
        else if (line.how !== 'one') columns.push(column);
        if (line.how === 'one') break;
    }
    return found;
}

/** @param {Rings} rings @param {PlotSpec} spec @param {number} from_us @param {number} to_us @returns {PlotColumns} */
export function plotColumns(rings, spec, from_us, to_us) {
    const matched = spec.lines.map((line) => groups(rings, line));
    // A table read once a second cannot fill finer columns than that.
    const main = matched[0] && [...matched[0].keys()][0];
    const step_us = Math.max(stepFor(to_us - from_us, spec.columns), main ? Math.min(main.period_us, 1e6) : 0);
    const first_us = Math.floor(from_us / step_us) * step_us;
    const count = Math.ceil((to_us - first_us) / step_us) + 1;
    const origin_s = Math.floor(first_us / 1e6);
    const x = new Float64Array(count);
    for (let at = 0; at < count; at++) x[at] = (first_us + (at + 0.5) * step_us) / 1e6 - origin_s;
    const ys = matched.flatMap((rows, index) => {
        const parts = [...rows].map(([ring, columns]) => condense(ring, columns, spec.lines[index].how, first_us, step_us, count));
        return parts.length ? combine(parts, spec.lines[index].how) : [0, 1, 2].map(() => new Float64Array(count).fill(NaN));
    });
    const newest_us = main ? main.newest_us : NaN;
    // The last column ends at the newest row, not in the middle of a time that has not been yet.
    const last = Math.floor((newest_us - first_us - 1) / step_us);
    if (last >= 0 && last < count) x[last] = Math.min(x[last] + step_us / 2e6, Math.max(newest_us / 1e6 - origin_s, x[last] - step_us / 2e6 + 1e-6));
    return {
        id: spec.id, from_us, to_us, step_us, x, origin_s, ys, newest_us,
        gaps: main ? gapsOf(main, from_us, to_us) : [],
        ...(spec.heat ? {heat: heatCells(rings, spec.heat, first_us, step_us, count)} : {}),
    };
}

/** @param {[Float64Array, Float64Array, Float64Array][]} parts @param {'one'|'sum'|'max'} how */
function combine(parts, how) {
    const [total, ...others] = parts;
    for (const other of others) {
        for (let k = 0; k < 3; k++) {
            for (let at = 0; at < total[k].length; at++) {
                const a = total[k][at], b = other[k][at];
                total[k][at] = a !== a ? b : b !== b ? a : how === 'max' ? Math.max(a, b) : a + b;
            }
        }
    }
    return total;
}

/** One row a label value (0 to 100 % as 0 to 200; 255: nothing). @param {Rings} rings @param {{metric: string, label: string}} heat @param {number} first_us @param {number} step_us @param {number} columns */
function heatCells(rings, heat, first_us, step_us, columns) {
    const found = rings.matching(heat.metric);
    const labelOf = (/** @type {(typeof found)[0]} */ one) => one.key.labels.find((label) => label.name === heat.label)?.value ?? '';
    found.sort((a, b) => labelOf(a).localeCompare(labelOf(b), 'en', {numeric: true}));
    const cells = new Uint8Array(found.length * columns);
    found.forEach(({ring, column}, at) => {
        const [mean] = condense(ring, [column], 'one', first_us, step_us, columns);
        for (let i = 0; i < columns; i++) {
            cells[at * columns + i] = mean[i] !== mean[i] ? 255 : Math.max(0, Math.min(200, Math.round(mean[i] * 2)));
        }
    });
    return {rows: found.length, columns, cells};
}
