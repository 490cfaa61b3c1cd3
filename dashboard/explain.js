/**
 * One sentence for a spike: what rose, from where, and who was running. Pure, so the words can be tested.
 * A process's own CPU, memory or disk share is said as such; for anything else time is all they share: "coincides".
 */
import {counted, figureOf, join, spoken} from './format.js';
import {nameOf} from './names.js';

/** @typedef {import('./types').MonitorEvent} MonitorEvent */
/** @typedef {import('./types').ProcessRow} ProcessRow */

/** @param {ProcessRow} row */
export function processName(row) {
    const name = nameOf(row);
    return row.count > 1 ? `${name} (${counted(row.count, 'process', 'processes')})` : name;
}

/** What a process did of the thing that rose, or null where processes are not measured by it. @param {string} metric */
function share(metric) {
    if (/^system\.(cpu|load|psi\.cpu)/.test(metric)) return {of: (/** @type {ProcessRow} */ row) => row.cpu_percent, say: (/** @type {number} */ v) => `used ${(v / 100).toFixed(1)} cores`};
    if (/^system\.(mem|swap|psi\.mem)/.test(metric)) return {of: (/** @type {ProcessRow} */ row) => row.rss_bytes, say: (/** @type {number} */ v) => `held ${join(figureOf('bytes', v))}`};
    if (/^system\.disk\.read/.test(metric)) return {of: (/** @type {ProcessRow} */ row) => row.io_read_bytes_s, say: (/** @type {number} */ v) => `read ${join(figureOf('bytes_s', v))}`};
    if (/^system\.disk/.test(metric)) return {of: (/** @type {ProcessRow} */ row) => row.io_write_bytes_s, say: (/** @type {number} */ v) => `wrote ${join(figureOf('bytes_s', v))}`};
    if (/^gpu\.(util|power|temp)/.test(metric)) return {of: (/** @type {ProcessRow} */ row) => row.gpu_util_percent, say: (/** @type {number} */ v) => `kept the GPU busy ${v.toFixed(0)} %`};
    if (/^gpu\.mem/.test(metric)) return {of: (/** @type {ProcessRow} */ row) => row.vram_bytes, say: (/** @type {number} */ v) => `held ${join(figureOf('bytes', v))} of VRAM`};
    return null;
}

/** The processes of a spike, the greatest part in it first. @param {MonitorEvent} event @returns {ProcessRow[]} */
export function culprits(event) {
    const measure = share(event.spike?.series?.metric ?? '')?.of ?? ((/** @type {ProcessRow} */ row) => row.cpu_percent);
    const size = (/** @type {ProcessRow} */ row) => (measure(row) > 0 ? measure(row) : 0);
    return [...(event.spike?.processes?.rows ?? [])].filter((row) => size(row) > 0).sort((a, b) => size(b) - size(a));
}

/** What one process did of it. @param {MonitorEvent} event @param {ProcessRow} row */
export function amount(event, row) {
    const measured = share(event.spike?.series?.metric ?? '');
    return measured ? measured.say(measured.of(row)) : `used ${(row.cpu_percent / 100).toFixed(1)} cores`;
}

/** "cc1plus (12 processes) used 11.2 cores": the greatest part in a spike, and how much. @param {MonitorEvent} event */
export function foremost(event) {
    const [first] = culprits(event);
    return first ? `${processName(first)} ${amount(event, first)}` : '';
}

/** @param {MonitorEvent} event @returns {{finding: string, rest: string}} */
export function explain(event) {
    const {spike} = event;
    if (!spike) return {finding: event.title || event.kind, rest: Object.entries(event.attributes).slice(0, 4).map(([name, value]) => `${name} ${value}`).join(', ')};
    const metric = spike.series?.metric ?? '';
    const say = (/** @type {number} */ value) => join(figureOf(metric, value));
    const fell = spike.value < spike.usual_low;
    const finding = `${spoken(metric)} ${fell ? 'fell' : 'rose'} to ${say(spike.value)}`;
    const usual = `usual ${say(spike.usual_low)} to ${say(spike.usual_high)}`;
    const measured = share(metric);
    const [first, second] = culprits(event);
    if (!first) return {finding, rest: `${usual}. No process was measured at that moment.`};
    if (!measured || fell) return {finding, rest: `${usual}. It coincides with ${processName(first)}, which used ${(first.cpu_percent / 100).toFixed(1)} cores.`};
    const also = second && measured.of(second) > measured.of(first) / 4 ? `, and ${processName(second)} ${measured.say(measured.of(second))}` : '';
    return {finding, rest: `${usual}. ${processName(first)} ${measured.say(measured.of(first))}${also}.`};
}
