/** The machine in the seconds of one request, under its waterfall and on the same time axis: GPU, VRAM, CPU, other requests. */
import {el} from '../dom.js';
import {counted} from '../format.js';
import {seriesKeyFromJson} from '../workers/json.js';
import {gpuSource} from './gpu.js';
import {HEIGHT, WIDTH, runs} from './line-runs.js';
import {besideOf} from './request-company.js';
import {bar, scaleOf} from './waterfall.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').RequestRecord} RequestRecord */
/** @typedef {{name: string, metric: string, source: string, full: number}} Line `full`: what 100 % is */

const SPACE = 'http://www.w3.org/2000/svg';
const POINTS = 200, LEAST_STEP_US = 100_000;

/** @param {Context} context @returns {Line[]} those that are measured here */
function linesOf({bridge}) {
    const {latest} = bridge, source = gpuSource({bridge});
    const vram = latest.one('gpu.mem_total_bytes', source);
    return [
        ...(latest.has('gpu.util_percent') ? [{name: 'GPU %', metric: 'gpu.util_percent', source, full: 100}] : []),
        ...(vram > 0 ? [{name: 'VRAM %', metric: 'gpu.mem_used_bytes', source, full: vram}] : []),
        {name: 'CPU %', metric: 'system.cpu.percent', source: '', full: 100},
    ];
}

/**
 * @param {Context} context @param {RequestRecord} record
 * @returns {Promise<{rows: HTMLElement[], cpu: number}>} a row each, and the mean of the CPU, percent; NaN: not measured
 */
export async function sameSeconds(context, record) {
    const {full_ms, most_ms} = scaleOf(record), from_us = record.start_us, to_us = Math.min(from_us + most_ms * 1000, context.bridge.now_us());
    const step_us = Math.max(LEAST_STEP_US, Math.ceil((to_us - from_us) / POINTS / LEAST_STEP_US) * LEAST_STEP_US);
    let cpu = NaN;
    const rows = await Promise.all(linesOf(context).map(async ({name, metric, source, full}) => {
        const query = new URLSearchParams({metric, stat: 'avg', start_us: String(Math.floor(from_us)), end_us: String(Math.ceil(to_us)), step_us: String(step_us)});
        const answer = await context.api.ask(`query_range?${query}`).catch(() => ({series: []}));
        const all = /** @type {any[]} */ (answer.series ?? []), one = all.find((each) => !source || seriesKeyFromJson(each.key ?? each).source === source);
        const values = (one?.values ?? []).map((/** @type {any} */ value) => (value === null ? NaN : (100 * Number(value)) / full));
        const seen = values.filter((/** @type {number} */ value) => value === value);
        const mean = seen.length ? seen.reduce((/** @type {number} */ sum, /** @type {number} */ value) => sum + value, 0) / seen.length : NaN;
        if (metric === 'system.cpu.percent') cpu = mean;
        return lineRow(name, runs((one?.times_us ?? []).map(Number), values, from_us, full_ms * 1000, step_us), mean, most_ms / full_ms);
    }));
    const others = othersRow(context, record, full_ms);
    return {rows: others ? [...rows, others] : rows, cpu};
}

/** @param {string} name @param {string[][]} parts @param {number} mean percent @param {number} share of the axis that the request has */
function lineRow(name, parts, mean, share) {
    const svg = document.createElementNS(SPACE, 'svg');
    svg.setAttribute('class', 'fall then');
    svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
    svg.setAttribute('preserveAspectRatio', 'none');
    for (const points of parts) {
        const line = document.createElementNS(SPACE, 'polyline');
        line.setAttribute('points', points.join(' '));
        svg.append(line);
    }
    const said = parts.length ? `${mean.toFixed(0)}\u00a0% on average` : 'not recorded in these seconds';
    const track = el('span', {class: 'fall-track', role: 'img', 'aria-label': `${name} in these seconds: ${said}; scale 0 to 100`});
    if (parts.length) track.append(svg);
    track.append(note(said, parts.length ? share : 0));
    return el('div', {class: 'fall-row then-row'}, el('span', {class: 'fall-name'}, name), track);
}

/** @param {Context} context @param {RequestRecord} record @param {number} full_ms */
function othersRow({requests, bridge}, record, full_ms) {
    const beside = besideOf(record, requests.all, requests.running, bridge.now_us());
    if (!beside.length) return null;
    const svg = document.createElementNS(SPACE, 'svg'), end_ms = Number(record.e2e_ms);
    svg.setAttribute('class', 'fall');
    svg.setAttribute('aria-hidden', 'true');
    svg.append(...beside.map(({from_ms, to_ms}) => bar({name: 'other', from_ms, to_ms}, full_ms, '4', '6')));
    const models = [...new Set(beside.map(({model}) => model))];
    const said = `${counted(beside.length, 'request')}${models.length < 3 ? ` of ${models.join(', ')}` : ''}`;
    return el('div', {class: 'fall-row'}, el('span', {class: 'fall-name'}, 'others'),
        el('span', {class: 'fall-track', role: 'img', 'aria-label': `Others in these seconds: ${said}`}, svg, note(said, end_ms / full_ms)));
}

/** @param {string} said @param {number} share where it stands, of the axis */
function note(said, share) {
    const words = el('span', {class: 'fall-note'}, said);
    words.style.left = `calc(${100 * share}% + ${share ? 8 : 0}px)`;
    return words;
}
