/** Where a request's time went, and the one-line answer to "why was it slow?". Pure. */
import {culprits, processName} from '../explain.js';
import {grouped, spoken} from '../format.js';

/** @typedef {import('../types').RequestRecord} RequestRecord */
/** @typedef {import('../types').MonitorEvent} MonitorEvent */
/** @typedef {{name: 'load'|'queue'|'prefill'|'wait'|'thinking'|'answer'|'stall', from_ms: number, to_ms: number}} Phase */

/** A spike that began within this time of a stall coincides with it. */
const NEAR_US = 1e6;
/** What took less of the time before the first token is no cause. */
const MATTERS = 0.2, MATTERS_MS = 200;
const LEAST_REST_MS = 20;
/** Tokens at less than this share of the usual pace were slow. */
const SLOW = 2 / 3;

const value = (/** @type {number|null|undefined} */ one) => (one === null || one === undefined ? NaN : one);
const known = (/** @type {number} */ one) => one === one;

/** "4.6 s", "0.05 s" @param {number} ms */
export const inSeconds = (ms) => `${(ms / 1000).toFixed(ms < 995 ? 2 : ms < 99_500 ? 1 : 0)}\u00a0s`;

/**
 * Output tokens a second after the first: of the measured time per token, by which lists are ordered, and of nothing else.
 * An answer in one piece has no such time (what follows its only arrival is no pace), nor have several answers at once.
 * @param {RequestRecord} record NaN: not measured
 */
export function rateOf(record) {
    const tpot_ms = value(record.tpot_ms);
    return tpot_ms > 0 ? 1000 / tpot_ms : NaN;
}

/** How long an answer that was not streamed was written, by its runtime's own time; 0: not told. @param {RequestRecord} record */
function writtenMs(record) {
    const written_ms = value(record.tpot_ms) * (value(record.output_tokens) - 1);
    return written_ms > 0 ? Math.min(written_ms, value(record.e2e_ms)) : 0;
}

/** In their order, from 0 at the prompt. What the runtime does not tell apart is one wait. @param {RequestRecord} record @returns {Phase[]} */
export function phasesOf(record) {
    const ttft_ms = value(record.ttft_ms), e2e_ms = value(record.e2e_ms), ttfa_ms = value(record.ttfa_ms);
    const before_ms = known(ttft_ms) ? ttft_ms : e2e_ms - writtenMs(record);
    /** @type {Phase[]} */
    const found = [];
    let at_ms = 0;
    for (const name of /** @type {const} */ (['load', 'queue', 'prefill'])) {
        const length_ms = Math.min(value(record[`${name}_ms`]), before_ms - at_ms);
        if (!(length_ms > 0)) continue;
        found.push({name, from_ms: at_ms, to_ms: at_ms + length_ms});
        at_ms += length_ms;
    }
    if (before_ms - at_ms > LEAST_REST_MS) found.push({name: 'wait', from_ms: at_ms, to_ms: before_ms});
    if (!known(ttft_ms) && e2e_ms > before_ms) found.push({name: 'answer', from_ms: Math.max(at_ms, before_ms), to_ms: e2e_ms});
    if (known(ttft_ms) && e2e_ms > ttft_ms) {
        const thinks = value(record.reasoning_tokens) > 0;
        const answers_ms = thinks ? (known(ttfa_ms) ? ttfa_ms : e2e_ms) : ttft_ms;
        if (answers_ms > ttft_ms) found.push({name: 'thinking', from_ms: ttft_ms, to_ms: answers_ms});
        if (e2e_ms > answers_ms) found.push({name: 'answer', from_ms: answers_ms, to_ms: e2e_ms});
    }
    for (const {at_ms: stalled_ms, length_ms} of record.stall) found.push({name: 'stall', from_ms: stalled_ms, to_ms: stalled_ms + length_ms});
    return found;
}

/** The middle of what is measured; NaN of fewer than three. @param {number[]} values */
function middleOf(values) {
    const sorted = values.filter(known).sort((a, b) => a - b);
    return sorted.length > 2 ? sorted[sorted.length >> 1] : NaN;
}

/** Tokens that came far slower than they usually do. @param {RequestRecord} record @param {RequestRecord[]} usual of its model @returns {{cost_ms: number, words: string}[]} */
function paceCause(record, usual) {
    const rate = rateOf(record), middle = middleOf(usual.map(rateOf)), answered_ms = value(record.e2e_ms) - value(record.ttft_ms);
    const stalled_ms = record.stall.reduce((sum, {length_ms}) => sum + length_ms, 0), cost_ms = answered_ms * (1 - rate / middle) - stalled_ms;
    if (!(rate < SLOW * middle) || !(cost_ms > MATTERS_MS)) return [];
    return [{cost_ms, words: `Its tokens came at ${rate.toFixed(rate < 9.95 ? 1 : 0)} a second, usually at ${middle.toFixed(middle < 9.95 ? 1 : 0)}.`}];
}

/** @param {RequestRecord} record @param {MonitorEvent[]} events @param {RequestRecord[]} usual of its model @returns {{cost_ms: number, words: string}[]} */
function causes(record, events, usual) {
    const ttft_ms = value(record.ttft_ms), before = known(ttft_ms) ? ` of the ${inSeconds(ttft_ms)} before the first token` : '';
    const prompt = value(record.prompt_tokens), tokens = prompt > 0 ? ` (${grouped(prompt)} tokens)` : '';
    const words = {
        load: (/** @type {string} */ took) => `Waking the model took ${took}${before}.`,
        queue: (/** @type {string} */ took) => `It waited ${took}${before} for its turn.`,
        prefill: (/** @type {string} */ took) => `Reading the prompt${tokens} took ${took}${before}.`,
        wait: (/** @type {string} */ took, /** @type {boolean} */ all) => (all
            ? `The first token took ${took}; its runtime does not tell apart what that went to.`
            : `${took}${before} went to what its runtime does not tell apart.`),
    };
    const found = phasesOf(record).flatMap(({name, from_ms, to_ms}) => {
        const cost_ms = to_ms - from_ms;
        if (!(name in words) || cost_ms < Math.max(MATTERS * (ttft_ms || 0), MATTERS_MS)) return [];
        return [{cost_ms, words: words[/** @type {keyof typeof words} */ (name)](inSeconds(cost_ms), from_ms === 0 && to_ms === ttft_ms)}];
    });
    const stalls = record.stall, all_ms = stalls.reduce((sum, {length_ms}) => sum + length_ms, 0);
    if (all_ms > MATTERS_MS) {
        const longest = stalls.reduce((a, b) => (b.length_ms > a.length_ms ? b : a));
        const subject = stalls.length === 1 ? `The ${inSeconds(all_ms)} stall` : `The longest of ${stalls.length} stalls (${inSeconds(longest.length_ms)} of ${inSeconds(all_ms)})`;
        found.push({cost_ms: all_ms, words: `${subject} ${stallCause(record, longest, events)}.`});
    }
    return [...found, ...paceCause(record, usual)].sort((a, b) => b.cost_ms - a.cost_ms);
}

/** @param {RequestRecord} record @param {{at_ms: number, length_ms: number}} stall @param {MonitorEvent[]} events */
function stallCause(record, stall, events) {
    const from_us = record.start_us + stall.at_ms * 1000, to_us = from_us + stall.length_ms * 1000;
    const spike = events.find((event) => event.spike && event.time_us > from_us - NEAR_US && event.time_us < to_us + NEAR_US);
    if (!spike) return `came ${inSeconds(stall.at_ms)} after the prompt, and no spike was near it`;
    const [first] = culprits(spike);
    return `coincides with a spike of ${spoken(spike.spike?.series?.metric ?? '')}${first ? ` (${processName(first)})` : ''}`;
}

/** Whether anything held it up. @param {RequestRecord} record @param {MonitorEvent[]} events @param {RequestRecord[]} [usual] of its model */
export const heldUp = (record, events, usual = []) => !record.error && record.finish_reason !== 'error' && causes(record, events, usual).length > 0;

/** At most two causes, the greater first. @param {RequestRecord} record @param {MonitorEvent[]} events @param {RequestRecord[]} [usual] of its model */
export function whyOf(record, events, usual = []) {
    if (record.error || record.finish_reason === 'error') return `It failed${record.error ? `: ${record.error}` : ''}${record.status >= 400 ? ` (HTTP ${record.status})` : ''}.`;
    const found = causes(record, events, usual).slice(0, 2);
    // What they are parts of is said once.
    if (found.length) return found.map(({words}, at) => (at ? words.replace(/ of the [^ ]+ before the first token/, '') : words)).join(' ');
    const out = value(record.output_tokens), rate = rateOf(record), ttft_ms = value(record.ttft_ms);
    const first = known(ttft_ms) ? `first token after ${inSeconds(ttft_ms)}` : 'time to the first token not measured';
    return `Nothing held it up: ${first}${out > 0 && known(rate) ? `, ${grouped(out)} tokens at ${rate.toFixed(1)} a second` : ''}.`;
}

/** Which figure of a record is the farthest from usual for its model: 'ttft', 'rate', 'joules' or ''. @param {RequestRecord} record @param {RequestRecord[]} others of the model */
export function worstOf(record, others) {
    const middle = (/** @type {(one: RequestRecord) => number} */ of) => middleOf(others.map(of));
    const ttft = (/** @type {RequestRecord} */ one) => value(one.ttft_ms), joules = (/** @type {RequestRecord} */ one) => value(one.joules);
    const ratios = {ttft: ttft(record) / middle(ttft), rate: middle(rateOf) / rateOf(record), joules: joules(record) / middle(joules)};
    const [name, ratio] = Object.entries(ratios).filter(([, one]) => known(one)).sort((a, b) => b[1] - a[1])[0] ?? ['', 0];
    return ratio > 1.2 ? name : '';
}
