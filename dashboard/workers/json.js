/** The JSON mirror of LiveFrame (server-sent events, /api/v1/events), brought into the shape the binary reader gives. */
import {Phase, RateGroup, ServiceState} from '../gen/live.js';

/** @typedef {import('../types').LiveFrame} LiveFrame */

/** Both spellings that protobuf's JSON has: time_us and timeUs. @param {any} object @param {string} name */
function field(object, name) {
    // null is a value: not measured.
    return object && name in object ? object[name] : object?.[name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())];
}

/** Int64 comes as text, NaN as "NaN" or null. @param {any} value @param {number} [otherwise] */
function number(value, otherwise = 0) {
    if (value === null) return NaN;
    return value === undefined ? otherwise : Number(value);
}

/** A hash comes as 16 hexadecimal digits; it is rounded as the binary reader rounds it, since it only tells two apart. @param {any} value */
function hash(value) {
    return typeof value === 'string' && /^[0-9a-f]{16}$/.test(value) ? parseInt(value.slice(8), 16) + parseInt(value.slice(0, 8), 16) * 2 ** 32 : number(value);
}

/** @param {any} value @param {Record<string, number>} names */
function enumeration(value, names) {
    return typeof value === 'string' ? names[value] ?? 0 : number(value);
}

/** @param {any} key */
export function seriesKeyFromJson(key) {
    return {
        metric: String(field(key, 'metric') ?? ''),
        source: String(field(key, 'source') ?? ''),
        labels: (field(key, 'labels') ?? []).map((/** @type {any} */ label) => ({name: String(label.name ?? ''), value: String(label.value ?? '')})),
    };
}

const PROCESS_NUMBERS = ['number', 'count', 'cpu_percent', 'rss_bytes', 'io_read_bytes_s', 'io_write_bytes_s', 'gpu_util_percent', 'vram_bytes', 'pss_bytes'];

/** @param {any} table */
export function processesFromJson(table) {
    return {
        time_us: number(field(table, 'time_us')),
        span_s: number(field(table, 'span_s')),
        total: number(field(table, 'total')),
        rows: (field(table, 'rows') ?? []).map((/** @type {any} */ row) => ({
            name: String(row.name ?? ''), unit: String(row.unit ?? ''), own: row.own === true,
            ...Object.fromEntries(PROCESS_NUMBERS.map((name) => [name, number(field(row, name))])),
        })),
    };
}

/** @param {any} event @returns {import('../types').MonitorEvent} */
export function eventFromJson(event) {
    const spike = field(event, 'spike');
    return {
        id: String(event.id ?? ''), kind: String(event.kind ?? ''), time_us: number(field(event, 'time_us')),
        producer: String(event.producer ?? ''), source: String(event.source ?? ''), title: String(event.title ?? ''),
        attributes: event.attributes ?? {},
        ...(spike ? {spike: {
            series: seriesKeyFromJson(spike.series), value: number(spike.value, NaN),
            usual_low: number(field(spike, 'usual_low')), usual_high: number(field(spike, 'usual_high')),
            processes: spike.processes ? processesFromJson(spike.processes) : undefined,
        }} : {}),
    };
}

/** @param {any} health @returns {import('../types').ServiceHealth} */
export function healthFromJson(health) {
    return {
        service: String(health.service ?? ''), pid: number(health.pid), state: enumeration(health.state, ServiceState),
        reason: String(health.reason ?? ''), time_us: number(field(health, 'time_us')), started_us: number(field(health, 'started_us')),
        version: String(health.version ?? ''), restarts: number(health.restarts), counters: health.counters ?? {},
    };
}

/** @param {any} burst @returns {import('../types').TokenBurst} */
function burstFromJson(burst) {
    const column = (/** @type {string} */ name) => (field(burst, name) ?? []).map((/** @type {any} */ one) => number(one, NaN));
    return {
        model: String(burst.model ?? ''), request_id: String(field(burst, 'request_id') ?? ''), phase: enumeration(burst.phase, Phase), sent_us: number(field(burst, 'sent_us')),
        times_us: column('times_us'), tokens: column('tokens'), entropy_bits: column('entropy_bits'),
        entropy_low_bits: column('entropy_low_bits'), entropy_high_bits: column('entropy_high_bits'), certainty: column('certainty'),
    };
}

/** @param {any} frame @returns {LiveFrame} */
export function frameFromJson(frame) {
    return {
        epoch: number(frame.epoch), seq: number(frame.seq), key: frame.key === true,
        time_us: number(field(frame, 'time_us')), conflated: number(frame.conflated),
        tables: (frame.tables ?? []).map((/** @type {any} */ table) => ({
            id: number(table.id), schema: hash(table.schema), rate_hz: number(field(table, 'rate_hz')),
            times_us: (field(table, 'times_us') ?? []).map(Number), values: (table.values ?? []).map((/** @type {any} */ v) => number(v, NaN)),
            source: String(table.source ?? ''), group: enumeration(table.group, RateGroup),
            series: (table.series ?? []).map(seriesKeyFromJson),
        })),
        events: (frame.events ?? []).map(eventFromJson),
        ...(frame.processes ? {processes: processesFromJson(frame.processes)} : {}),
        health: (frame.health ?? []).map(healthFromJson),
        tokens: (frame.tokens ?? []).map(burstFromJson), tokens_left_out: number(field(frame, 'tokens_left_out')),
        requests: frame.requests ?? [],
    };
}
