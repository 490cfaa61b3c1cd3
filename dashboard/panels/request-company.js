/** What else ran while a request ran, and whether that goes with its being slow. Pure. */
import {counted} from '../format.js';

/** @typedef {import('../types').RequestRecord} RequestRecord */
/** @typedef {{model: string, from_ms: number, to_ms: number}} Beside from the request's own begin, within it */

/** A processor that is this busy, percent, makes who shares it wait. */
const BUSY = 90;

/** Others that ran in the same time. @param {RequestRecord} record @param {RequestRecord[]} ended @param {{id: string, model: string, begun_us: number}[]} running @param {number} now_us @returns {Beside[]} */
export function besideOf(record, ended, running, now_us) {
    const length_ms = Number(record.e2e_ms ?? NaN);
    const spans = [
        ...ended.map(({id, model, start_us, e2e_ms}) => ({id, model, start_us, end_us: start_us + Number(e2e_ms ?? NaN) * 1000})),
        ...running.map(({id, model, begun_us}) => ({id, model, start_us: begun_us, end_us: now_us})),
    ];
    return spans.filter(({id}) => id !== record.id).map(({model, start_us, end_us}) => ({
        model, from_ms: Math.max(0, (start_us - record.start_us) / 1000), to_ms: Math.min(length_ms, (end_us - record.start_us) / 1000),
    })).filter(({from_ms, to_ms}) => to_ms > from_ms).sort((a, b) => a.from_ms - b.from_ms);
}

/** What being slow goes with, as a sentence; '' where nothing was out of the way. @param {number} cpu mean of the processor in these seconds, percent @param {Beside[]} beside */
export function companyWords(cpu, beside) {
    const parts = [cpu >= BUSY ? `a CPU that was ${cpu.toFixed(0)}\u00a0% busy` : '', beside.length ? `${counted(beside.length, 'other request')}` : ''].filter(Boolean);
    return parts.length ? `That coincides with ${parts.join(' and ')}.` : '';
}
