/**
 * What is looked at: the range, whether it stands still, the moment under the cursor, the chosen event.
 * The range is in the address (`#range=5m`, `#from=…&to=…` in seconds of 1970), so a link shows the same.
 */

/** @typedef {import('./types').View} View */
/** @typedef {import('./types').MonitorEvent} MonitorEvent */

/** Spans that follow the present, by the name in the address. */
export const SPANS = /** @type {const} */ ({live: 60, '5m': 300, '1h': 3600, '24h': 86_400});
const LEAST_SPAN_US = 2e6;
const MOST_SPAN_US = 8 * 86_400e6;

/** @param {string} hash @returns {View|null} */
export function viewFromHash(hash) {
    const query = new URLSearchParams(hash.replace(/^#/, ''));
    const from = Number(query.get('from')) * 1e6, to = Number(query.get('to')) * 1e6;
    if (from > 0 && to - from >= LEAST_SPAN_US && to - from <= MOST_SPAN_US) return {live: false, from_us: from, to_us: to};
    const range = query.get('range') ?? '';
    return Object.hasOwn(SPANS, range) ? {live: true, span_s: SPANS[/** @type {keyof typeof SPANS} */ (range)]} : null;
}

/** @param {View} view */
export function hashOfView(view) {
    if (!view.live) return `#from=${(view.from_us / 1e6).toFixed(1)}&to=${(view.to_us / 1e6).toFixed(1)}`;
    const name = Object.entries(SPANS).find(([, span]) => span === view.span_s)?.[0] ?? 'live';
    return name === 'live' ? '' : `#range=${name}`;
}

/** Fires `view` (range or pause), `cursor`, `event` (the chosen one), `shade` (the time of the chosen request). */
export class ViewState extends EventTarget {
    /** @param {() => number} now_us the monitor's clock */
    constructor(now_us) {
        super();
        this.now_us = now_us;
        /** @type {View} */
        this.view = viewFromHash(location.hash) ?? {live: true, span_s: SPANS.live};
        /** @type {View[]} */
        this.before = [];
        this.paused_us = NaN;
        this.cursor_us = NaN;
        /** @type {MonitorEvent|null} */
        this.event = null;
        /** Shaded in every chart: the time of the chosen request, µs. @type {[number, number]|null} */
        this.shade = null;
        addEventListener('hashchange', () => {
            const next = viewFromHash(location.hash);
            if (next && hashOfView(next) !== hashOfView(this.view)) this.show(next);
        });
    }

    get paused() { return this.paused_us === this.paused_us; }

    /** What is drawn: paused, a live view stands where it was. @returns {View} */
    get drawn() {
        if (!this.paused || !this.view.live) return this.view;
        return {live: false, from_us: this.paused_us - this.view.span_s * 1e6, to_us: this.paused_us};
    }

    /** @returns {[number, number]} */
    get window_us() {
        const {drawn} = this;
        const now_us = this.now_us();
        return drawn.live ? [now_us - drawn.span_s * 1e6, now_us] : [drawn.from_us, drawn.to_us];
    }

    /** @param {string} type */
    tell(type) { this.dispatchEvent(new Event(type)); }

    /** @param {View} view @param {boolean} [remember] */
    show(view, remember = true) {
        if (remember) this.before = [...this.before.slice(-49), this.view];
        this.view = view;
        if (view.live) this.paused_us = NaN;
        history.replaceState(null, '', `${location.pathname}${location.search}${hashOfView(view)}`);
        this.tell('view');
    }

    /** @param {number} span_s */
    follow(span_s) { this.show({live: true, span_s}); }

    /** @param {number} from_us @param {number} to_us */
    range(from_us, to_us) {
        const span = Math.min(Math.max(to_us - from_us, LEAST_SPAN_US), MOST_SPAN_US);
        const middle = (from_us + to_us) / 2, now_us = this.now_us();
        const end = Math.min(middle + span / 2, now_us);
        this.show({live: false, from_us: end - span, to_us: end});
    }

    zoomOut() {
        const last = this.before.pop();
        if (last) this.show(last, false);
        else if (!this.view.live) this.show({live: true, span_s: SPANS.live}, false);
    }

    /** @param {number} share of the window; negative: into the past */
    pan(share) {
        const [from, to] = this.window_us;
        this.range(from + share * (to - from), to + share * (to - from));
    }

    /** @param {number} factor < 1: nearer */
    zoom(factor) {
        const [from, to] = this.window_us;
        const around = this.cursor_us === this.cursor_us ? this.cursor_us : this.view.live ? to : (from + to) / 2;
        this.range(around - (around - from) * factor, around + (to - around) * factor);
    }

    pause() {
        if (this.paused) return;
        this.paused_us = this.now_us();
        this.tell('view');
    }

    resume() {
        this.paused_us = NaN;
        if (!this.view.live) this.view = {live: true, span_s: SPANS.live};
        this.show(this.view, false);
    }

    /** @param {number} time_us NaN: none */
    point(time_us) {
        if (Object.is(time_us, this.cursor_us)) return;
        this.cursor_us = time_us;
        this.tell('cursor');
    }

    /** @param {[number, number]|null} time_us */
    shadeTime(time_us) {
        this.shade = time_us;
        this.tell('shade');
    }

    /** @param {MonitorEvent|null} event */
    choose(event) {
        this.event = event;
        this.tell('event');
    }
}
