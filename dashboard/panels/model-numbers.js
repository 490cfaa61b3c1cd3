/**
 * The numbers of each lane, on its own centre line: rate, time to first token, E, context, VRAM; below each its
 * comparison, and below all of them queue, batch and cache. What is not measured says why, and how to get it.
 */
import {attribute, el, hide, rows, text} from '../dom.js';
import {NONE, contextSize, grouped, memory, millis, span} from '../format.js';
import {quantile} from '../slots.js';
import {openCompare} from './compare.js';
import {modelHeard} from './energy.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').LaneFigures} LaneFigures */
/** @typedef {{value: string, unit: string, below: string, short?: string, dim?: boolean, held?: boolean, absent?: string, share?: number}} Cell */

/** Fewer say little about the one in twenty. */
const LEAST_FOR_P95 = 5;
/** An energy that is told no more (a quiet model) is not now's. */
const FRESH_US = 2e6;
/** The collector points a model out after `collector.sampler.runtime.idle_min`; here it is said where the number stands. */
const IDLE_US = 5 * 60e6;
const WHY_NO_SERVING = 'Its runtime does not tell. llama-server does with --metrics, vLLM, SGLang and text-generation-inference by themselves.';

/** @param {string} why @param {string} [below] what is known all the same @returns {Cell} */
const absent = (why, below = '') => ({value: '', unit: '', below, absent: why});

/** Seconds with what matters: 0.94, 12.3 @param {number} ms */
const seconds = (ms) => (ms / 1000).toFixed(ms < 9950 ? 2 : 1);

/** @param {LaneFigures} lane @param {number} [slowdown] time per token while others run over that alone (CONTRACTS §3); NaN: not measured @returns {Cell} */
export function rateCell(lane, slowdown = NaN) {
    if (lane.tps === lane.tps) {
        const alone = slowdown > 0 ? `alone ${(lane.tps * slowdown).toFixed(0)}` : '';
        return {value: lane.tps.toFixed(0), unit: '', below: lane.state === 'stalled' ? 'stalled' : alone};
    }
    // Never a stale big number: what was is said in words.
    const last = lane.last_rate === lane.last_rate ? lane.last_rate.toFixed(0) : '';
    return {value: NONE, unit: '', below: last ? `last request ${last}` : 'no tokens yet', short: last && `last ${last}`, dim: true};
}

/** @param {LaneFigures} lane @param {number[]} past_ms of its ended requests, newest first @returns {Cell} */
export function firstTokenCell(lane, past_ms) {
    const known = past_ms.filter((one) => one === one);
    const p95 = known.length >= LEAST_FOR_P95 ? `p95 ${seconds(quantile(known, 0.95))}\u00a0s` : '';
    if (lane.waiting_ms === lane.waiting_ms) return {value: (lane.waiting_ms / 1000).toFixed(1), unit: 's', below: ['so far', p95].filter(Boolean).join(', '), dim: true};
    const last_ms = lane.ttft_ms === lane.ttft_ms ? lane.ttft_ms : known[0] ?? NaN;
    if (last_ms !== last_ms) return absent('No prompt of it was seen since this page is open.');
    // A figure of two digits needs no third: 9 ms, 85 ms, 0.21 s.
    const short = last_ms < 99.5;
    return {value: short ? last_ms.toFixed(0) : seconds(last_ms), unit: short ? 'ms' : 's', below: p95 || 'last request'};
}

/** The newest value of a model's metric, NaN where it is not of now. @param {Context} context @param {LaneFigures} lane */
function reader({bridge}, lane) {
    const {latest} = bridge, source = `model:${lane.model}`, now_us = bridge.now_us();
    return (/** @type {string} */ metric) => {
        const found = latest.all(metric, source).find(({value, time_us, period_us}) => value === value && now_us - time_us < Math.max(FRESH_US, 3 * period_us));
        return found ? found.value : NaN;
    };
}

/** How full its context is, and of how many tokens; else how full the cache of all its requests is. @param {number} used 0 to 1 @param {number} cache 0 to 1 @param {number} length tokens @returns {Cell} */
export function contextCell(used, cache, length) {
    const size = length === length ? contextSize(length) : '';
    if (used === used) return {value: (used * 100).toFixed(0), unit: '%', below: size ? `${grouped(used * length)} of ${size}` : 'of its context', share: used};
    if (cache === cache) return {value: (cache * 100).toFixed(0), unit: '%', below: `of its cache${size ? `, ${size} each` : ''}`, share: cache};
    return absent('How full it is its runtime does not tell. llama-server does with --metrics and --slots, vLLM and SGLang by themselves.', size && `of ${size}`);
}

/** When it last worked: by its tokens since the page is open, else by the newest request that is kept; NaN: not known. @param {LaneFigures} lane @param {import('../types').RequestRecord[]} records newest first */
export function lastUsed(lane, records) {
    const ended_us = records.length ? records[0].start_us + Number(records[0].e2e_ms || 0) * 1000 : NaN;
    return Math.max(lane.last_us || 0, ended_us || 0) || NaN;
}

/** Memory of the GPU; of a model that does nothing with it, since when. @param {LaneFigures} lane @param {number} vram bytes @param {number} onGpu @param {number} now_us @returns {Cell} */
export function vramCell(lane, vram, onGpu, now_us) {
    if (vram !== vram) return absent('Its runtime does not tell how much GPU memory it holds. Ollama does.');
    const size = memory(vram), idle_us = now_us - lane.last_us;
    if (lane.state === 'quiet' && vram > 0 && idle_us > IDLE_US) return {value: size.number, unit: size.unit, below: `idle ${span(idle_us / 1e6)}, still held`, held: true};
    return {value: size.number, unit: size.unit, below: onGpu === onGpu ? (onGpu > 0.999 ? 'all on GPU' : `${(onGpu * 100).toFixed(0)} % on GPU`) : ''};
}

/**
 * Queue, batch and cache as the runtime tells them; those it does not tell are named last, once.
 * @param {(metric: string) => number} fresh @returns {{said: string, absent: string}}
 */
export function servingWords(fresh) {
    const waiting = fresh('model.requests_waiting'), wait_ms = fresh('model.queue_wait_ms'), batch = fresh('model.batch_size');
    const hits = fresh('model.cache_hit_ratio'), used = fresh('model.kv_cache_used_ratio');
    const percent = (/** @type {number} */ ratio) => `${(ratio * 100).toFixed(0)}\u00a0%`;
    const queue = [waiting === waiting ? `${waiting.toFixed(0)} waiting` : '', wait_ms === wait_ms ? `${millis(wait_ms)} in the queue` : ''].filter(Boolean).join(', ');
    const cache = [hits === hits ? `${percent(hits)} cache hits` : '', used === used ? `cache ${percent(used)} full` : ''].filter(Boolean).join(', ');
    const told = /** @type {[string, string][]} */ ([['queue', queue], ['batch', batch === batch ? `batch ${batch.toFixed(batch % 1 ? 1 : 0)}` : ''], ['cache', cache]]);
    return {said: told.map(([, words]) => words).filter(Boolean).join(' · '), absent: told.filter(([, words]) => !words).map(([name]) => name).join(', ')};
}

/** @param {number} certainty @param {boolean} live whether tokens come that could have one */
function certaintyWords(certainty, live) {
    if (certainty === certainty) return {below: `certainty ${certainty.toFixed(2)}`};
    return live ? {below: 'certainty not measured', short: `certainty ${NONE}`} : {below: ''};
}

/** @param {Context} context @param {LaneFigures} lane @param {(metric: string) => number} fresh @returns {Cell[]} */
function cells({bridge, requests, facts}, lane, fresh) {
    const energy = fresh('model.energy'), certainty = fresh('model.certainty');
    const live = lane.state === 'flowing' || lane.state === 'stalled';
    return [
        rateCell(lane, fresh('model.slowdown_ratio')),
        firstTokenCell(lane, requests.of(lane.model).map(({ttft_ms}) => Number(ttft_ms ?? NaN))),
        energy === energy
            ? {value: energy.toFixed(2), unit: '', ...certaintyWords(certainty, live), share: energy}
            : {value: NONE, unit: '', below: 'quiet', dim: true},
        contextCell(fresh('model.context_used_ratio'), fresh('model.kv_cache_used_ratio'), facts.context(lane.model)),
        vramCell({...lane, last_us: lastUsed(lane, requests.of(lane.model))}, fresh('model.vram_bytes'), fresh('model.gpu_share_ratio'), bridge.now_us()),
    ];
}

const HEADS = ['tok/s', 'TTFT', 'E', 'context', 'VRAM'];

export default {
    id: 'numbers', area: 'energy', title: 'Numbers of the models',
    shown: modelHeard,
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const heads = el('div', {class: 'number-row heads', role: 'row'}, ...HEADS.map((head) => el('span', {role: 'columnheader'}, head)));
        const body = el('div', {class: 'number-rows', role: 'rowgroup'});
        const compare = el('button', {class: 'plain compare-open', type: 'button'}, 'Compare models …');
        compare.addEventListener('click', () => openCompare(context));
        host.append(el('div', {class: 'number-table', role: 'table', 'aria-label': 'Numbers of the models'}, heads, body), compare);
        /** @type {LaneFigures[]} */
        let lanes = [];
        const draw = () => {
            host.classList.toggle('many', lanes.length > 2);
            host.classList.toggle('compact', lanes.length > 3);
            rows(body, lanes, newRow, (row, lane) => {
                row.style.setProperty('--middle', `${lane.middle}px`);
                attribute(row, 'aria-label', lane.model);
                text(row.children[0], lane.model);
                const fresh = reader(context, lane);
                cells(context, lane, fresh).forEach((cell, at) => fill(/** @type {HTMLElement} */ (row.children[at + 1]), cell));
                serving(/** @type {HTMLElement} */ (row.lastElementChild), servingWords(fresh));
            });
        };
        context.bridge.on('energy', ({lanes: now}) => { lanes = now; if (!context.state.paused) draw(); });
        context.bridge.on('latest', () => { if (!context.state.paused) draw(); });
        context.requests.addEventListener('change', draw);
        context.facts.addEventListener('change', draw);
    },
};

function newRow() {
    const cell = () => el('span', {class: 'number-cell', role: 'cell'}, el('span', {class: 'number-value'}, el('b'), el('span', {class: 'unit'})), el('span', {class: 'number-below'}, el('span', {class: 'long'}), el('span', {class: 'short'})), el('meter', {min: '0', max: '1', hidden: true, 'aria-hidden': 'true'}));
    return el('div', {class: 'number-row', role: 'row'}, el('span', {class: 'number-model', role: 'rowheader'}), ...HEADS.map(cell),
        el('span', {class: 'number-serving', role: 'cell', 'aria-colspan': String(HEADS.length)}, el('span'), el('span', {class: 'none'})));
}

/** @param {HTMLElement} node @param {{said: string, absent: string}} words */
function serving(node, {said, absent: missing}) {
    const [told, none] = node.children;
    text(told, said);
    text(none, missing ? `${said ? ' · ' : ''}${missing} not measured` : '');
    attribute(none, 'title', missing ? WHY_NO_SERVING : null);
    attribute(none, 'tabindex', missing ? '0' : null);
    attribute(none, 'role', missing ? 'note' : null);
    attribute(none, 'aria-label', missing ? `${missing} not measured. ${WHY_NO_SERVING}` : null);
}

/** @param {HTMLElement} node @param {Cell} cell */
function fill(node, {value, unit, below, short = '', dim = false, held = false, absent: why, share = NaN}) {
    const [figure, words, meter] = node.children;
    text(figure.children[0], why && below ? 'not measured' : value);
    text(figure.children[1], unit);
    text(words.children[0], why && !below ? 'not measured' : below);
    text(words.children[1], short);
    words.classList.toggle('shortens', Boolean(short));
    attribute(node, 'title', why ?? null);
    attribute(node, 'tabindex', why ? '0' : null);
    attribute(node, 'aria-label', why ? `not measured${below && `, ${below}`}. ${why}` : null);
    node.classList.toggle('dim', dim);
    node.classList.toggle('held', held);
    node.classList.toggle('none', Boolean(why));
    node.classList.toggle('partly', Boolean(why && below));
    const bar = /** @type {HTMLMeterElement} */ (meter);
    hide(bar, share !== share);
    if (share === share && bar.value !== share) bar.value = share;
}
