/** What happened, newest last: from live frames, and asked for where the view is older than the page. */
import {eventFromJson} from './workers/json.js';

/** @typedef {import('./types').MonitorEvent} MonitorEvent */
/** @typedef {import('./chart-marks.js').Mark} Mark */

/** More than a person steps through; the monitor keeps them all. */
const MOST = 500;
/** What can be measured here is told whenever it changes; its parts have events of their own (a runtime came, a device went). */
const UNSAID = new Set(['inventory']);

/** Fires `change`. */
export class Events extends EventTarget {
    /** @param {import('./api.js').Api} api @param {import('./view.js').ViewState} state */
    constructor(api, state) {
        super();
        this.api = api;
        this.state = state;
        /** @type {MonitorEvent[]} */
        this.all = [];
        this.known = new Set();
    }

    /** @param {MonitorEvent[]} events */
    add(events) {
        const fresh = events.filter((event) => event.id && !this.known.has(event.id) && !UNSAID.has(event.kind));
        if (!fresh.length) return;
        for (const event of fresh) this.known.add(event.id);
        this.all = [...this.all, ...fresh].sort((a, b) => a.time_us - b.time_us).slice(-MOST);
        this.dispatchEvent(new Event('change'));
    }

    /** @param {number} start_us @param {number} end_us */
    async load(start_us, end_us) {
        const query = new URLSearchParams({start_us: String(Math.floor(start_us)), end_us: String(Math.ceil(end_us))});
        const answer = await this.api.ask(`events?${query}`);
        this.add((answer.events ?? []).map(eventFromJson));
    }

    /** @param {number} from_us @param {number} to_us */
    between(from_us, to_us) {
        return this.all.filter(({time_us}) => time_us >= from_us && time_us <= to_us);
    }

    /** The next event before or after the chosen one (or the newest). @param {-1|1} direction */
    step(direction) {
        const {all, state} = this;
        if (!all.length) return null;
        const at = state.event ? all.findIndex(({id}) => id === state.event?.id) : -1;
        const next = at < 0 ? all.length - 1 : Math.min(Math.max(at + direction, 0), all.length - 1);
        return all[next];
    }

    /** Spikes of metrics that begin so, and what concerns the whole machine; a page that draws less has to do with the processor. @param {string[]} subjects @returns {Mark[]} */
    marks(subjects) {
        const [from, to] = this.state.window_us;
        return this.between(from - 1e6, to + 1e6).filter((event) => {
            const about = event.spike ? event.spike.series?.metric : event.source.startsWith('ui:') ? 'system.cpu.percent' : undefined;
            return about === undefined ? !event.spike : subjects.some((start) => about.startsWith(start));
        }).map((event) => ({
            id: event.id, time_us: event.time_us, shape: event.spike ? 'spike' : 'event',
            label: event.title, chosen: event.id === this.state.event?.id,
        }));
    }

    /** @param {string} id */
    find(id) { return this.all.find((event) => event.id === id) ?? null; }
}
