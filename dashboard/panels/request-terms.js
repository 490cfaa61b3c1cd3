/** What a request is judged by: the person's own targets and tariff. Pure. Absent is never compared and never priced. */
import {short} from '../format.js';

/** @typedef {import('../types').RequestRecord} RequestRecord */
/** NaN: not set. @typedef {{ttft_ms: number, tpot_ms: number, per_kwh: number, currency: string}} Terms */

const JOULES_PER_KWH = 3.6e6;
const value = (/** @type {any} */ one) => (one === null || one === undefined ? NaN : Number(one));

/** @param {any} told as the gateway tells it @returns {Terms} */
export const termsOf = (told) => ({ttft_ms: value(told?.target_ttft_ms), tpot_ms: value(told?.target_tpot_ms), per_kwh: value(told?.tariff_per_kwh), currency: String(told?.currency ?? '')});

/** Which of its figures are over a target. @param {RequestRecord} record @param {Terms} terms */
export const overTarget = (record, terms) => ({ttft: value(record.ttft_ms) > terms.ttft_ms, tpot: value(record.tpot_ms) > terms.tpot_ms});

/** Whether it met all targets; null: it cannot be said. @param {RequestRecord} record @param {Terms} terms @returns {boolean|null} */
export function metTargets(record, terms) {
    const wanted = /** @type {const} */ (['ttft_ms', 'tpot_ms']).filter((name) => terms[name] === terms[name]);
    if (!wanted.length || value(record.e2e_ms) !== value(record.e2e_ms) || record.finish_reason === 'abort') return null;
    if (record.error || record.finish_reason === 'error') return false;
    if (wanted.some((name) => value(record[name]) > terms[name])) return false;
    return wanted.every((name) => value(record[name]) === value(record[name])) ? true : null;
}

/** "87 of 92 within your targets", '' without any. @param {RequestRecord[]} records @param {Terms} terms */
export function goodputWords(records, terms) {
    const judged = records.map((record) => metTargets(record, terms)).filter((met) => met !== null);
    return judged.length ? `${judged.filter(Boolean).length} of ${judged.length} within your targets` : '';
}

/** "0.0012 EUR", '' without a tariff. @param {number} joules @param {Terms} terms */
export function moneyOf(joules, terms) {
    const money = (joules / JOULES_PER_KWH) * terms.per_kwh;
    if (!(terms.per_kwh > 0) || money !== money) return '';
    return `${money >= 0.01 || money === 0 ? money.toFixed(2) : money.toPrecision(2)}${terms.currency ? `\u00a0${terms.currency}` : ''}`;
}

const FOUND = /** @type {Record<string, string>} */ ({measured: 'measured by its processes', shared: 'shared out by tokens', unknown: 'shared out by running time'});

/** What it took, in one sentence; '' where nothing was measured. @param {RequestRecord} record @param {Terms} terms */
export function costWords(record, terms) {
    const joules = value(record.joules), mean = value(record.energy_mean);
    const how = FOUND[record.joules_attribution ?? ''], money = moneyOf(joules, terms), tokens = value(record.output_tokens);
    const parts = [];
    if (joules === joules) {
        const each = tokens > 0 ? `, ${short(joules / tokens)}\u00a0J a token` : '';
        parts.push(`It took ${short(joules)}\u00a0J${how ? ` (${how})` : ''}${each}${money ? `, ${money}` : ''}.`);
    }
    if (mean === mean) parts.push(`Mean energy E ${mean.toFixed(2)}.`);
    return parts.join(' ');
}

