/** The main thread's side of the worker, and the newest values by name. */

/** @typedef {import('./types').SeriesKey} SeriesKey */
/** @typedef {import('./types').PlotColumns} PlotColumns */
/** @typedef {import('./types').LinkState} LinkState */

/** What tells of the line itself, or brings the names, waits for no frame: a hidden page has none. */
const AT_ONCE = new Set(['link', 'series', 'history-error', 'events', 'requests', 'energy-evidence', 'energy-table']);
/** Of 16.7 ms; layout, paint and the other processes of the browser want theirs. */
const FRAME_BUDGET_MS = 3;
/** Where no line is drawn (a fixed range, a pause), words wait no longer than this. */
const WORDS_WAIT_MS = 120, MOST_WORDS = 50;

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

/** Fires `link`, `series`, `latest`, `columns`, `events`, `processes`, `health`, `history-error`, `requests`, `energy`, `energy-evidence`, `energy-table`; the message is `event.detail`. */
export class Bridge extends EventTarget {
    constructor() {
        super();
        this.latest = new Latest();
        this.offset_us = 0;
        this.drawn_us = 0;
        /** @type {LinkState} */
        this.link = {state: 'connecting', transport: 'ws', reason: '', retry_in_ms: 0, last_seen_us: NaN};
        this.figures = {behind_ms: NaN, decode_ms: NaN, conflated_total: 0, frames_total: 0, clock_offset_us: 0, round_trip_ms: NaN};
        /** @type {Map<string, any>} newest columns of each plot, drawn in the next frame */
        this.waiting = new Map();
        /** @type {any[]} messages of words and tables, drawn with the next lines */
        this.words = [];
        this.wordsSince_ms = 0;
        /** Lines were drawn in a frame that had no time left for the words. */
        this.linesCame = false;
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
        if (message.type === 'columns') {
            this.waiting.set(message.columns.id, message);
            this.offset_us = message.clock_offset_us;
            return;
        }
        if (message.clock_offset_us !== undefined) this.offset_us = message.clock_offset_us;
        if (AT_ONCE.has(message.type)) return this.fire(message.type, message);
        if (!this.words.length) this.wordsSince_ms = performance.now();
        // Health is told service by service; of the others only the newest matters (a hidden page draws nothing for hours).
        if (message.type !== 'health') this.words = this.words.filter(({type}) => type !== message.type);
        this.words = [...this.words.slice(-MOST_WORDS), message];
    }

    /**
     * Draws what has come: lines first, then the words and tables that wait for them. A frame draws for FRAME_BUDGET_MS and
     * leaves the rest to the next: on a busy machine three short frames are in time where one long one is not.
     * @returns {{drew: boolean, newest_us: number}} newest_us: time of the newest value that is drawn for the first time, else 0
     */
    flush() {
        const began_ms = performance.now();
        let newest_us = 0, drew = false;
        for (const [id, message] of this.waiting) {
            if (drew && performance.now() - began_ms > FRAME_BUDGET_MS) return {drew, newest_us: this.first(newest_us)};
            this.waiting.delete(id);
            this.fire('columns', message);
            newest_us = Math.max(newest_us, message.columns.newest_us || 0);
            drew = true;
        }
        const spent = performance.now() - began_ms > FRAME_BUDGET_MS / 2;
        const linesCame = drew || this.linesCame;
        if (this.words.length && !spent && (linesCame || began_ms - this.wordsSince_ms > WORDS_WAIT_MS)) {
            const words = this.words;
            this.words = [];
            this.linesCame = false;
            for (const message of words) this.fire(message.type, message);
            drew = true;
        } else {
            this.linesCame = linesCame;
        }
        return {drew, newest_us: this.first(newest_us)};
    }

    /** A value is late only once, when it is first seen. @param {number} newest_us */
    first(newest_us) {
        if (newest_us <= this.drawn_us) return 0;
        this.drawn_us = newest_us;
        return newest_us;
    }

    /** @param {string} type @param {any} detail */
    fire(type, detail) { this.dispatchEvent(new CustomEvent(type, {detail})); }

    /** @param {string} type @param {(detail: any) => void} listener */
    on(type, listener) { this.addEventListener(type, (event) => listener(/** @type {CustomEvent} */ (event).detail)); }

    /** @param {any} message @param {Transferable[]} [transfer] */
    send(message, transfer = []) { this.worker.postMessage(message, transfer); }

    /** The monitor's clock, µs. */
    now_us() { return (performance.timeOrigin + performance.now()) * 1000 + this.offset_us; }
}
