/** Requests to models: newest on top or in the order of a column, their phases to one scale; the chosen one is shaded in every chart and explained below. */
import {attribute, el, hide, rows, text} from '../dom.js';
import {NONE, clock, figure, grouped, moment, short} from '../format.js';
import {PAGE} from '../request-list.js';
import {modelHeard} from './energy.js';
import {costWords, goodputWords, overTarget} from './request-terms.js';
import {clientsPart} from './request-clients.js';
import {besideOf, companyWords} from './request-company.js';
import {heldUp, phasesOf, rateOf, whyOf, worstOf} from './request-why.js';
import {sameSeconds} from './same-seconds.js';
import {drawLine, roundUp, waterfall} from './waterfall.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').RequestRecord} RequestRecord */
/** @typedef {{name: string, kind: string, order: string, inverse?: boolean, alphabet?: boolean}} Head */

/** Columns from the left; by what the gateway orders each. Tokens a second are the inverse of the time per token. */
const HEADS = /** @type {Head[]} */ ([
    {name: 'started', kind: '', order: 'time'}, {name: 'model', kind: '', order: 'model', alphabet: true}, {name: 'TTFT', kind: 'right', order: 'ttft'},
    {name: 'tokens in', kind: 'right', order: 'prompt'}, {name: 'out', kind: 'right', order: 'output'}, {name: 'tok/s', kind: 'right', order: 'tpot', inverse: true},
    {name: 'joules', kind: 'right', order: 'joules'}, {name: 'length', kind: 'bars', order: 'e2e'}, {name: 'outcome', kind: '', order: 'outcome', alphabet: true},
]);
const ENDS = /** @type {Record<string, string>} */ ({stop: 'stop', length: 'length limit', tool: 'tool call', abort: 'stopped by client', error: 'error', '': 'ended'});

const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(ms < 99_500 ? 2 : 0)}\u00a0s`;

/** Over the person's own target, by shape as by colour. @param {boolean} over */
const mark = (over) => (over ? '\u00a0▲' : '');

export default {
    id: 'requests', area: 'main', title: 'Requests',
    /** @param {Context} context */
    shown: (context) => modelHeard(context) || context.requests.all.length > 0,
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const {requests, state, events, bridge} = context;
        const about = el('span', {class: 'quiet'}), shaded = el('span', {class: 'quiet shaded', hidden: true}, el('span', {class: 'shade-key', 'aria-hidden': 'true'}), 'shaded in the charts: the selected request');
        const heads = HEADS.map((head) => headCell(head, requests)), scale = /** @type {HTMLElement} */ (heads[7].querySelector('.head-name'));
        const body = el('tbody'), table = el('table', {class: 'list'}, el('thead', {}, el('tr', {}, ...heads)), body), empty = el('p', {class: 'sentence calm'});
        const more = el('button', {class: 'more-button', type: 'button', on: {click: () => requests.ask((list) => list.next())}}, `${PAGE} more`);
        const rest = el('span', {class: 'quiet'}), further = el('p', {class: 'together further'}, rest, more);
        const scroll = el('div', {class: 'scroll', tabindex: '0', role: 'region'}, table, further);
        const why = el('p', {class: 'sentence why', role: 'status', hidden: true}), fall = el('div', {class: 'fall-place'});
        host.append(el('header', {class: 'ends'}, el('div', {class: 'together'}, el('h2', {}, 'Requests'), about), shaded), empty, scroll, why, fall, clientsPart(context));

        let drawn = {full_ms: 0, running: 0}, asked = 0;
        const draw = () => {
            cancelAnimationFrame(asked);
            asked = 0;
            const now_us = bridge.now_us(), {running, list} = requests, shown = list.rows;
            const most_ms = Math.max(1000, ...shown.map(({e2e_ms}) => Number(e2e_ms) || 0), ...running.map(({begun_us}) => (now_us - begun_us) / 1000 || 0));
            const full_ms = roundUp(most_ms);
            drawn = {full_ms, running: running.length};
            text(scale, `0 to ${full_ms / 1000}\u00a0s`);
            attribute(/** @type {Element} */ (scale.parentElement), 'aria-label', `length, ${scale.textContent}`);
            text(about, [requests.total > 0 ? `${grouped(requests.total)} kept` : '', goodputWords(requests.all, requests.terms)].filter(Boolean).join(', '));
            text(empty, requests.reason || (shown.length || running.length ? '' : 'No request has been measured yet. Send one through the tap, or tell it with the probe; it appears by itself.'));
            empty.hidden = !empty.textContent;
            table.hidden = !shown.length && !running.length;
            hide(further, !list.more);
            hide(more, !list.goesOn);
            text(rest, `${list.goesOn ? '' : 'the first '}${grouped(shown.length)} of ${grouped(requests.total)}${list.goesOn ? '' : '; `wfmon requests --sort` lists all'}`);
            attribute(scroll, 'aria-label', `Requests, ${orderWords(list.order)}`);
            heads.forEach((cell, at) => fillHead(cell, HEADS[at], list.order));
            const all = [...running.map((one) => liveRow(one, now_us)), ...shown.map((record) => endedRow(record, requests, now_us))];
            rows(body, all, () => newRow(requests), (tr, one) => fill(tr, one, full_ms, one.id === requests.chosen));
        };
        /** However many changes come before the next frame. */
        const drawSoon = () => { asked ||= requestAnimationFrame(() => { asked = 0; if (!state.paused) draw(); }); };
        /** Of those under way only: the others stand as they are. */
        const goOn = () => {
            const now_us = bridge.now_us(), {running} = requests;
            const outgrown = running.some(({begun_us}) => (now_us - begun_us) / 1000 > drawn.full_ms);
            if (outgrown || running.length !== drawn.running) return draw();
            running.forEach((one, at) => fill(/** @type {HTMLElement} */ (body.children[at]), liveRow(one, now_us), drawn.full_ms, false));
        };
        const choose = () => {
            const record = requests.selected;
            shaded.hidden = why.hidden = !record;
            state.shadeTime(record ? [record.start_us, record.start_us + Number(record.e2e_ms || record.ttft_ms || 0) * 1000] : null);
            const bars = record ? waterfall(record) : null;
            fall.replaceChildren(...(bars ? [bars] : []));
            const answer = (/** @type {number} */ cpu) => {
                // By its id: the list is asked for again meanwhile, and its records are others then.
                if (!record || record.id !== requests.chosen) return;
                const usual = requests.of(record.model), beside = besideOf(record, requests.all, requests.running, bridge.now_us());
                const company = heldUp(record, events.all, usual) ? companyWords(cpu, beside) : '';
                why.replaceChildren(el('strong', {}, 'Why was it slow? '), [whyOf(record, events.all, usual), company, costWords(record, requests.terms)].filter(Boolean).join(' '));
            };
            if (record) void sameSeconds(context, record).then(({rows: lines, cpu}) => { bars?.lastElementChild?.before(...lines); answer(cpu); });
            why.replaceChildren();
            draw();
        };
        requests.addEventListener('change', drawSoon);
        requests.addEventListener('choose', choose);
        requests.addEventListener('order', draw);
        bridge.on('energy', () => { if (!state.paused && requests.running.length) goOn(); });
        draw();
    },
};

/** @typedef {{id: string, ended: boolean, cells: string[], phases: import('./request-why.js').Phase[], worst: string, over: {ttft: boolean, tpot: boolean}, outcome: string, failed: boolean}} Row */

/** @param {RequestRecord} record @param {import('../requests.js').Requests} requests @param {number} now_us @returns {Row} */
function endedRow(record, requests, now_us) {
    const failed = Boolean(record.error) || record.finish_reason === 'error', over = overTarget(record, requests.terms);
    return {
        id: record.id, ended: true, failed, over, phases: phasesOf(record), worst: requests.chosen === record.id ? worstOf(record, requests.of(record.model)) : '',
        cells: [
            `${moment(record.start_us, now_us)}.${Math.floor((record.start_us / 1e5) % 10)}`, record.model, figure(record.ttft_ms, seconds) + mark(over.ttft), figure(record.prompt_tokens, grouped),
            figure(record.output_tokens, grouped), figure(rateOf(record), (one) => one.toFixed(1)) + mark(over.tpot), figure(record.joules, short),
        ],
        outcome: failed && record.error ? `error: ${record.error}` : ENDS[record.finish_reason] ?? record.finish_reason,
    };
}

/** @param {{id: string, model: string, begun_us: number, first_us: number, tokens: number}} one @param {number} now_us @returns {Row} */
function liveRow(one, now_us) {
    const so_far_ms = (now_us - one.begun_us) / 1000, first_ms = (one.first_us - one.begun_us) / 1000, waits = one.first_us !== one.first_us;
    /** @type {import('./request-why.js').Phase[]} */
    const phases = so_far_ms === so_far_ms
        ? [{name: 'wait', from_ms: 0, to_ms: waits ? so_far_ms : first_ms}, ...(waits ? [] : [{name: /** @type {const} */ ('answer'), from_ms: first_ms, to_ms: so_far_ms}])] : [];
    const started_us = one.begun_us === one.begun_us ? one.begun_us : one.first_us;
    return {
        id: one.id, ended: false, failed: false, over: {ttft: false, tpot: false}, phases, worst: '',
        cells: [`${clock(started_us)}.${Math.floor((started_us / 1e5) % 10)}`, one.model, figure(first_ms, seconds), NONE, one.tokens ? grouped(one.tokens) : NONE, NONE, NONE],
        outcome: waits ? `waiting ${(so_far_ms / 1000).toFixed(1)}\u00a0s` : 'streaming',
    };
}

/** @param {Head} head @param {import('../requests.js').Requests} requests */
function headCell({name, kind, order, inverse, alphabet}, requests) {
    const click = () => {
        const now = requests.list.order;
        // The greatest first, names by the alphabet; once more turns it.
        const ascending = now.name === order ? !now.ascending : Boolean(inverse || alphabet);
        void requests.ask((list) => list.put({name: order, ascending}));
    };
    return el('th', {scope: 'col', class: kind}, el('button', {class: 'sort', type: 'button', on: {click}}, el('span', {class: 'head-name'}, name), el('span', {class: 'sort-way', 'aria-hidden': 'true'})));
}

/** @param {HTMLElement} cell @param {Head} head @param {import('../request-list.js').Order} now */
function fillHead(cell, {order, inverse}, now) {
    const chosen = now.name === order, rising = now.ascending !== Boolean(inverse);
    attribute(cell, 'aria-sort', chosen ? (rising ? 'ascending' : 'descending') : null);
    text(/** @type {Element} */ (cell.querySelector('.sort-way')), chosen ? (rising ? '\u00a0↑' : '\u00a0↓') : '');
}

/** "newest first", "by TTFT, greatest first". @param {import('../request-list.js').Order} order */
function orderWords({name, ascending}) {
    if (name === 'time') return ascending ? 'oldest first' : 'newest first';
    const head = /** @type {Head} */ (HEADS.find(({order}) => order === name));
    return `by ${head.name}, ${ascending !== Boolean(head.inverse) ? (head.alphabet ? 'A to Z' : 'least first') : head.alphabet ? 'Z to A' : 'greatest first'}`;
}

/** @param {import('../requests.js').Requests} requests */
function newRow(requests) {
    const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
    svg.setAttribute('class', 'phases');
    svg.setAttribute('aria-hidden', 'true');
    const tr = el('tr', {}, el('td', {}, el('button', {class: 'row-button', type: 'button'})), el('td'), ...HEADS.slice(2, 7).map(() => el('td', {class: 'right'})), el('td', {class: 'bars'}, svg), el('td'));
    tr.addEventListener('click', () => { if (tr.dataset.ended === 'true') requests.choose(tr.dataset.request ?? ''); });
    return tr;
}

/** @param {HTMLElement} tr @param {Row} one @param {number} full_ms @param {boolean} chosen */
function fill(tr, one, full_ms, chosen) {
    tr.dataset.request = one.id;
    tr.dataset.ended = String(one.ended);
    tr.classList.toggle('chosen', chosen);
    tr.classList.toggle('running', !one.ended);
    const button = /** @type {HTMLButtonElement} */ (tr.children[0].firstElementChild);
    text(button, one.cells[0]);
    attribute(button, 'aria-pressed', String(chosen));
    button.disabled = !one.ended;
    one.cells.slice(1).forEach((cell, at) => text(tr.children[at + 1], cell));
    tr.children[2].classList.toggle('worst', one.worst === 'ttft');
    tr.children[5].classList.toggle('worst', one.worst === 'rate');
    tr.children[6].classList.toggle('worst', one.worst === 'joules');
    tr.children[2].classList.toggle('warn', one.over.ttft);
    tr.children[5].classList.toggle('warn', one.over.tpot);
    drawLine(/** @type {Element} */ (tr.children[7].firstElementChild), one.phases, full_ms);
    text(tr.children[8], one.outcome);
    attribute(tr.children[8], 'class', one.failed ? 'crit' : '');
}
