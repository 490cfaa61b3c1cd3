/** The main thread's side of the worker, and the newest values by name. */
import {FrameWork} from './frame-work.js';

/** @typedef {import('./types').SeriesKey} SeriesKey */
/** @typedef {import('./types').PlotColumns} PlotColumns */
/** @typedef {import('./types').LinkState} LinkState */
/** @typedef {(detail: any) => void} Listener */

/** What tells of the line itself, or brings the names, waits for no frame: a hidden page has none. */
const AT_ONCE = new Set(['link', 'series', 'history-error', 'events', 'requests', 'energy-evidence', 'energy-table', 'health']);
/**
 * Of 16.7 ms; the other threads and processes of the browser want theirs. A burst beyond what the scheduler gives in one go
 * (about 3 ms on 2 busy cores) is where a slot was lost: all panels in one frame used 8 to 14 ms of this thread.
 */
const FRAME_BUDGET_MS = 3;

/** The newest value of every series; older than three of its periods (and 1 s) it is stale (CONTRACTS §6). */
export class Latest {
    constructor() {
        /** @type {SeriesKey[]} */
        this.keys = [];
        /** @type {number[]} */
        this.periods_us = [];
        this.values = new Float64Array(0);
        this.times = new Float64Array(0);
        /** @type {Map<string, number[]>} */
        this.byMetric = new Map();
    }

    /** @param {SeriesKey[]} keys @param {number[]} periods_us */
    name(keys, periods_us) {
        this.keys = keys;
        this.periods_us = periods_us;
        this.byMetric = new Map();
        keys.forEach((key, at) => this.byMetric.set(key.metric, [...(this.byMetric.get(key.metric) ?? []), at]));
    }

    /** @param {string} metric */
    has(metric) { return this.byMetric.has(metric); }

    /** Before the first names have come, the frame of the page stands already. @param {string} metric */
    mayHave(metric) { return !this.keys.length || this.has(metric); }

    /** @param {string} metric @param {string} [source] */
    all(metric, source) {
        return (this.byMetric.get(metric) ?? [])
            .filter((at) => !source || this.keys[at].source === source)
            .map((at) => ({key: this.keys[at], value: this.values[at] ?? NaN, time_us: this.times[at] ?? NaN, period_us: this.periods_us[at]}));
    }

    /** @param {string} metric @param {string} [source] NaN: absent */
    one(metric, source) { return this.all(metric, source)[0]?.value ?? NaN; }

    /** @param {string} metric @param {(a: number, b: number) => number} join */
    over(metric, join) {
        const values = this.all(metric).map(({value}) => value).filter((value) => value === value);
        return values.length ? values.reduce(join) : NaN;
    }

    /** @param {string} metric */
    sum(metric) { return this.over(metric, (a, b) => a + b); }

    /** @param {string} metric */
    max(metric) { return this.over(metric, Math.max); }

    /** Age of the newest value where it is too old to be shown as now, else 0. @param {string} metric @param {number} now_us */
    stale_s(metric, now_us) {
        const found = this.all(metric);
        if (!found.length) return 0;
        const newest = Math.max(...found.map(({time_us}) => time_us));
        const age = now_us - newest;
        return age > Math.max(3 * found[0].period_us, 1e6) + 500_000 ? age / 1e6 : 0;
    }

    /** @param {{key: SeriesKey}} series @param {string} name */
    static label({key}, name) { return key.labels.find((label) => label.name === name)?.value ?? ''; }
}

/** Tells `link`, `series`, `latest`, `columns`, `events`, `processes`, `health`, `second`, `history-error`, `requests`, `energy`, `energy-evidence`, `energy-table`. */
export class Bridge {
    constructor() {
        this.latest = new Latest();
        this.offset_us = 0;
        this.drawn_us = 0;
        /** @type {LinkState} */
        this.link = {state: 'connecting', transport: 'ws', reason: '', retry_in_ms: 0, last_seen_us: NaN};
        this.figures = {behind_ms: NaN, decode_ms: NaN, conflated_total: 0, frames_total: 0, clock_offset_us: 0, round_trip_ms: NaN};
        /** @type {Map<string, Listener[]>} */
        this.listeners = new Map();
        this.work = new FrameWork(FRAME_BUDGET_MS, () => performance.now());
        this.worker = new Worker(new URL('./workers/stream.js', import.meta.url), {type: 'module'});
        this.worker.onmessage = ({data}) => this.take(data);
        this.worker.onerror = (event) => this.fire('link', {link: {...this.link, state: 'waiting', reason: `the page's worker stopped (${event.message || 'it could not be loaded'}); load the page again`}});
    }

    /** @param {any} message */
    take(message) {
        if (message.type === 'link') this.link = message.link;
        if (message.type === 'series') this.latest.name(message.keys, message.periods_us);
        if (message.type === 'latest') {
            this.latest.values = message.values;
            this.latest.times = message.times;
            this.figures = message;
        }
        if (message.clock_offset_us !== undefined) this.offset_us = message.clock_offset_us;
        if (message.type === 'columns') {
            this.work.line(message.columns.id, () => {
                this.fire('columns', message);
                return message.columns.newest_us || 0;
            });
        } else if (AT_ONCE.has(message.type)) {
            this.fire(message.type, message);
        } else {
            for (const listener of this.listeners.get(message.type) ?? []) this.work.words(listener, () => tell(listener, message));
        }
    }

    /**
     * Draws what has come, as far as the frame's budget goes.
     * @returns {{drew: boolean, newest_us: number}} newest_us: time of the newest value that is drawn for the first time, else 0
     */
    flush() {
        const {drew, newest_us} = this.work.run();
        return {drew, newest_us: this.first(newest_us)};
    }

    /** A value is late only once, when it is first seen. @param {number} newest_us */
    first(newest_us) {
        if (newest_us <= this.drawn_us) return 0;
        this.drawn_us = newest_us;
        return newest_us;
    }

    /** @param {string} type @param {any} detail */
    fire(type, detail) { for (const listener of this.listeners.get(type) ?? []) tell(listener, detail); }

    /** @param {string} type @param {Listener} listener */
    on(type, listener) { this.listeners.set(type, [...(this.listeners.get(type) ?? []), listener]); }

    /** @param {any} message @param {Transferable[]} [transfer] */
    send(message, transfer = []) { this.worker.postMessage(message, transfer); }

    /** The monitor's clock, µs. */
    now_us() { return (performance.timeOrigin + performance.now()) * 1000 + this.offset_us; }
}

/** One that fails takes no other with it. @param {Listener} listener @param {any} detail */
function tell(listener, detail) {
    try {
        listener(detail);
    } catch (error) {
        reportError(error);
    }
}
