/** The machine in the seconds of one request, under its waterfall and on the same time axis. */
import {el} from '../dom.js';
import {seriesKeyFromJson} from '../workers/json.js';
import {gpuSource} from './gpu.js';
import {HEIGHT, WIDTH, runs} from './line-runs.js';
import {scaleOf} from './waterfall.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').RequestRecord} RequestRecord */

const SPACE = 'http://www.w3.org/2000/svg';
const POINTS = 200, LEAST_STEP_US = 100_000;

/** @param {Context} context @param {RequestRecord} record @returns {Promise<HTMLElement[]>} a row each of GPU and CPU, where measured */
export async function sameSeconds({api, bridge}, record) {
    const {full_ms, most_ms} = scaleOf(record), from_us = record.start_us, to_us = Math.min(from_us + most_ms * 1000, bridge.now_us());
    const step_us = Math.max(LEAST_STEP_US, Math.ceil((to_us - from_us) / POINTS / LEAST_STEP_US) * LEAST_STEP_US);
    const lines = [
        ...(bridge.latest.has('gpu.util_percent') ? [{name: 'GPU %', metric: 'gpu.util_percent', source: gpuSource({bridge})}] : []),
        {name: 'CPU %', metric: 'system.cpu.percent', source: ''},
    ];
    return Promise.all(lines.map(async ({name, metric, source}) => {
        const query = new URLSearchParams({metric, stat: 'avg', start_us: String(Math.floor(from_us)), end_us: String(Math.ceil(to_us)), step_us: String(step_us)});
        const answer = await api.ask(`query_range?${query}`).catch(() => ({series: []}));
        const all = /** @type {any[]} */ (answer.series ?? []), one = all.find((each) => !source || seriesKeyFromJson(each.key ?? each).source === source);
        const values = (one?.values ?? []).map((/** @type {any} */ value) => (value === null ? NaN : Number(value)));
        const parts = runs((one?.times_us ?? []).map(Number), values, from_us, full_ms * 1000, step_us);
        const svg = document.createElementNS(SPACE, 'svg');
        svg.setAttribute('class', 'fall then');
        svg.setAttribute('viewBox', `0 0 ${WIDTH} ${HEIGHT}`);
        svg.setAttribute('preserveAspectRatio', 'none');
        for (const points of parts) {
            const line = document.createElementNS(SPACE, 'polyline');
            line.setAttribute('points', points.join(' '));
            svg.append(line);
        }
        const track = el('span', {class: 'fall-track', role: 'img', 'aria-label': `${name} in these seconds, scale 0 to 100`});
        if (parts.length) track.append(svg);
        else track.append(el('span', {class: 'fall-note'}, 'not recorded in these seconds'));
        return el('div', {class: 'fall-row then-row'}, el('span', {class: 'fall-name'}, name), track);
    }));
}
