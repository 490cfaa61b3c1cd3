/** What the page's own five minutes do not hold is asked of the monitor: /api/v1/query_range, one query a line and statistic. */
import {authorized} from './link.js';
import {seriesKeyFromJson} from './json.js';
import {stepFor} from './columns.js';

/** @typedef {import('../types').PlotSpec} PlotSpec */
/** @typedef {import('../types').PlotColumns} PlotColumns */

/** Of the first line; the others have no band, so their mean is enough. */
const STATS = ['avg', 'min', 'max'];
/** The same for every plot, so that a panel and its large chart share one answer. */
const COLUMNS = 360;
/** Two at a time: a day of raw rows is work for the aggregator, and live frames go first. */
const AT_ONCE = 2;
const LEAST_STEP_US = 100_000;

let running = 0;
/** @type {(() => void)[]} */
const waiting = [];

/** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
async function queued(work) {
    if (running >= AT_ONCE) await new Promise((resolve) => waiting.push(() => resolve(undefined)));
    running++;
    try {
        return await work();
    } finally {
        running--;
        waiting.shift()?.();
    }
}

/**
 * @param {string} base @param {string} token @param {Record<string, string>} query @param {AbortSignal} signal
 * @returns {Promise<{key: import('../types').SeriesKey, times: number[], values: number[]}[]>}
 */
async function queryRange(base, token, query, signal) {
    const answer = await fetch(`${base}/api/v1/query_range?${new URLSearchParams(query)}`, {headers: authorized(token), signal});
    if (answer.status === 404) return [];
    if (!answer.ok) throw new Error(`${query.metric}: the query was refused (HTTP ${answer.status})`);
    const body = await answer.json();
    return (body.series ?? []).map((/** @type {any} */ one) => ({
        key: seriesKeyFromJson(one.key ?? one),
        times: (one.times_us ?? one.timesUs ?? []).map(Number),
        values: (one.values ?? []).map((/** @type {any} */ value) => (value === null ? NaN : Number(value))),
    }));
}

/** @typedef {(metric: string, stat: string, source: string) => ReturnType<typeof queryRange>} Ask */

/**
 * Asks each question of a view once, however many plots put it.
 * @param {string} base @param {string} token @param {number} from_us @param {number} to_us @param {AbortSignal} signal @returns {Ask}
 */
export function asker(base, token, from_us, to_us, signal) {
    const {step_us, first_us} = gridOf(from_us, to_us);
    const common = {start_us: String(first_us), end_us: String(Math.ceil(to_us)), step_us: String(step_us)};
    /** @type {Map<string, ReturnType<typeof queryRange>>} */
    const asked = new Map();
    return (metric, stat, source) => {
        const key = `${metric} ${stat} ${source}`;
        const known = asked.get(key) ?? queued(() => queryRange(base, token, {metric, stat, ...(source ? {source} : {}), ...common}, signal));
        asked.set(key, known);
        return known;
    };
}

/** @param {number} from_us @param {number} to_us */
function gridOf(from_us, to_us) {
    const step_us = Math.max(stepFor(to_us - from_us, COLUMNS), LEAST_STEP_US);
    return {step_us, first_us: Math.floor(from_us / step_us) * step_us};
}

/** @param {Ask} ask @param {PlotSpec} spec @param {number} from_us @param {number} to_us @returns {Promise<PlotColumns>} */
export async function historyColumns(ask, spec, from_us, to_us) {
    const {step_us, first_us} = gridOf(from_us, to_us);
    const count = Math.ceil((to_us - first_us) / step_us) + 1;
    const origin_s = Math.floor(first_us / 1e6);
    const x = new Float64Array(count).map((_, at) => (first_us + (at + 0.5) * step_us) / 1e6 - origin_s);
    const place = (/** @type {number} */ end_us) => Math.round((end_us - first_us) / step_us) - 1;
    const ys = await Promise.all(spec.lines.flatMap((line, at) => STATS.map(async (stat) => {
        const column = new Float64Array(count).fill(NaN);
        let series = await ask(line.metric, at ? 'avg' : stat, line.source ?? '');
        if (line.how === 'one') series = series.slice(0, 1);
        for (const {times, values} of series) {
            times.forEach((time, i) => {
                const slot = place(time), value = values[i], before = column[slot];
                if (slot < 0 || slot >= count || value !== value) return;
                column[slot] = before !== before ? value : line.how === 'max' ? Math.max(before, value) : before + value;
            });
        }
        return column;
    })));
    return {
        id: spec.id, from_us, to_us, step_us, x, origin_s, ys, newest_us: NaN,
        gaps: emptyRuns(ys[0] ?? new Float64Array(0), first_us, step_us),
        ...(spec.heat ? {heat: await heat(ask, spec.heat, place, count)} : {}),
    };
}

/** @param {Ask} ask @param {{metric: string, label: string}} spec @param {(end_us: number) => number} place @param {number} columns */
async function heat(ask, spec, place, columns) {
    const series = [...await ask(spec.metric, 'avg', '')];
    const labelOf = (/** @type {(typeof series)[0]} */ one) => one.key.labels.find((label) => label.name === spec.label)?.value ?? '';
    series.sort((a, b) => labelOf(a).localeCompare(labelOf(b), 'en', {numeric: true}));
    const cells = new Uint8Array(series.length * columns).fill(255);
    series.forEach(({times, values}, row) => times.forEach((time, i) => {
        const at = place(time);
        if (at >= 0 && at < columns && values[i] === values[i]) cells[row * columns + at] = Math.max(0, Math.min(200, Math.round(values[i] * 2)));
    }));
    return {rows: series.length, columns, cells};
}

/** Times without a row between two that have one. @param {Float64Array} means @param {number} first_us @param {number} step_us @returns {[number, number][]} */
export function emptyRuns(means, first_us, step_us) {
    /** @type {[number, number][]} */
    const runs = [];
    let last = -1;
    for (let at = 0; at < means.length; at++) {
        if (means[at] !== means[at]) continue;
        if (last >= 0 && at - last > 1) runs.push([first_us + (last + 1) * step_us, first_us + at * step_us]);
        last = at;
    }
    return runs;
}
