/** Bars of time: the phases of a request in one line (the list), or one below the other (the chosen one). SVG, whose lengths are attributes. */
import {el, text} from '../dom.js';
import {grouped} from '../format.js';
import {inSeconds, phasesOf, rateOf} from './request-why.js';

/** @typedef {import('../types').RequestRecord} RequestRecord */
/** @typedef {import('./request-why.js').Phase} Phase */

const SPACE = 'http://www.w3.org/2000/svg';
const NAMES = /** @type {const} */ (['load', 'queue', 'prefill', 'wait', 'thinking', 'answer', 'stall']);
const WORDS = {load: 'load', queue: 'queue', prefill: 'prefill', wait: 'not told apart', thinking: 'thinking', answer: 'answer', stall: 'stall'};

/** The words stand right of their bar: the time axis leaves that room. */
const NARROW_PX = 900;

/** A scale's end: 1, 2 or 5 times a power of ten. @param {number} most */
export function roundUp(most) {
    const power = 10 ** Math.floor(Math.log10(Math.max(most, 1e-9)));
    return power * ([1, 2, 5, 10].find((step) => step * power >= most) ?? 10);
}

/** @param {string} name @param {Record<string, string|number>} attributes */
function shape(name, attributes) {
    const node = document.createElementNS(SPACE, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    return node;
}

/** @param {{name: string, from_ms: number, to_ms: number}} phase @param {number} full_ms @param {string} y @param {string} height */
export function bar({name, from_ms, to_ms}, full_ms, y, height) {
    return shape('rect', {class: `phase ${name}`, x: `${(100 * from_ms) / full_ms}%`, width: `${Math.max(0.25, (100 * (to_ms - from_ms)) / full_ms)}%`, y, height});
}

/** All phases in one line. @param {Element} svg @param {Phase[]} phases @param {number} full_ms */
export function drawLine(svg, phases, full_ms) {
    const key = JSON.stringify([phases, full_ms]);
    if (svg.getAttribute('data-key') === key) return;
    svg.setAttribute('data-key', key);
    svg.replaceChildren(...phases.map((phase) => bar(phase, full_ms, '3', '6')));
}

/** @param {RequestRecord} record @param {Phase} phase */
function note(record, {name, from_ms, to_ms}) {
    const length = inSeconds(to_ms - from_ms), rate = rateOf(record);
    const count = {prefill: record.prompt_tokens, thinking: record.reasoning_tokens, answer: Number(record.output_tokens ?? NaN) - Number(record.reasoning_tokens || 0)}[/** @type {'answer'} */ (name)];
    const tokens = Number(count) > 0 ? `, ${grouped(Number(count))} tokens${name !== 'prefill' && rate === rate ? ` at ${rate.toFixed(1)}/s` : ''}` : '';
    return name === 'stall' ? `${length} at ${inSeconds(from_ms)}` : `${length}${tokens}`;
}

/** Where a request ends on the axis, and where the axis does. @param {RequestRecord} record */
export function scaleOf(record) {
    const most_ms = Math.max(1, ...phasesOf(record).map(({to_ms}) => to_ms));
    return {most_ms, full_ms: most_ms * (innerWidth < NARROW_PX ? 1.7 : 1.25)};
}

/** A dotted line through all rows, and what it is. @param {RequestRecord} record @param {number} full_ms */
function firstToken({ttft_ms}, full_ms) {
    const at_ms = Number(ttft_ms ?? NaN);
    if (!(at_ms > 0)) return [];
    const line = el('span', {class: 'first-token', 'aria-hidden': 'true'}), words = el('span', {class: 'fall-note'}, `first token ${inSeconds(at_ms)}`);
    line.style.setProperty('--at', String(at_ms / full_ms));
    words.style.left = `calc(${(100 * at_ms) / full_ms}% + 8px)`;
    return [line, el('div', {class: 'fall-row'}, el('span', {class: 'fall-name'}), el('span', {class: 'fall-track'}, words))];
}

/** @param {RequestRecord} record */
export function waterfall(record) {
    const phases = phasesOf(record), {most_ms, full_ms} = scaleOf(record);
    const names = NAMES.filter((name) => phases.some((phase) => phase.name === name));
    const rows = names.map((name) => {
        const own = phases.filter((phase) => phase.name === name);
        const svg = /** @type {SVGElement} */ (shape('svg', {class: 'fall', 'aria-hidden': 'true'}));
        svg.append(...own.map((phase) => bar(phase, full_ms, '3', '8')));
        const last = own.reduce((a, b) => (b.to_ms - b.from_ms > a.to_ms - a.from_ms ? b : a)), words = el('span', {class: 'fall-note'});
        text(words, note(record, last));
        words.style.left = `calc(${(100 * last.to_ms) / full_ms}% + 8px)`;
        return el('div', {class: 'fall-row'}, el('span', {class: 'fall-name'}, WORDS[name]), el('span', {class: 'fall-track'}, svg, words));
    });
    const step_ms = roundUp(most_ms / 6), ticks = [];
    for (let at = 0; at <= most_ms; at += step_ms) ticks.push(at);
    const axis = el('span', {class: 'fall-axis fall-track'}, ...ticks.map((at) => {
        const tick = el('span', {}, `${Number((at / 1000).toPrecision(3))}\u00a0s`);
        tick.style.left = `${(100 * at) / full_ms}%`;
        return tick;
    }));
    const first = Number(record.ttft_ms ?? NaN) > 0 ? `; first token after ${inSeconds(Number(record.ttft_ms))}` : '';
    return el('div', {class: 'waterfall', role: 'img', 'aria-label': names.map((name) => `${WORDS[name]} ${phases.filter((one) => one.name === name).map((one) => inSeconds(one.to_ms - one.from_ms)).join(', ')}`).join('; ') + first},
        ...rows, ...firstToken(record, full_ms), el('div', {class: 'fall-row'}, el('span', {class: 'fall-name'}), axis));
}
