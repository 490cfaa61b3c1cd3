/**
 * Requests to models, newest first: those that ended (from the gateway, and from live frames) and those under way
 * (from the tokens). Which one is chosen, too: its time is shaded in every chart.
 */

import {termsOf} from './panels/request-terms.js';
import {PAGE, RequestList} from './request-list.js';

/** @typedef {import('./types').RequestRecord} RequestRecord */
/** @typedef {import('./types').EnergyFigures} EnergyFigures */

const MOST = 200;
const AGAIN_MS = 1000;
const OPTIONAL = /** @type {const} */ ([
    'queue_ms', 'load_ms', 'prefill_ms', 'ttft_ms', 'ttfa_ms', 'e2e_ms', 'tpot_ms', 'itl_max_ms',
    'prompt_tokens', 'cached_tokens', 'reasoning_tokens', 'output_tokens', 'joules', 'energy_mean',
]);

/**
 * A record as it came. The binary reader has 0 where a field was not set, so 0 counts as not measured until the gateway
 * is asked, which tells the two apart.
 * @param {any} record @returns {RequestRecord}
 */
export function recordOf(record) {
    const found = /** @type {any} */ ({
        id: String(record.id ?? ''), model: String(record.model ?? ''), runtime: String(record.runtime ?? ''),
        start_us: Number(record.start_us ?? 0), finish_reason: String(record.finish_reason ?? ''), status: Number(record.status ?? 0),
        stalls: Number(record.stalls ?? 0), error: String(record.error ?? ''), joules_attribution: String(record.joules_attribution ?? ''), producer: String(record.producer ?? ''),
        stall: (record.stall ?? []).map((/** @type {any} */ one) => ({at_ms: Number(one.at_ms ?? 0), length_ms: Number(one.length_ms ?? 0)})),
    });
    for (const name of OPTIONAL) {
        const value = record[name];
        found[name] = value === null || value === undefined ? NaN : Number(value);
    }
    return found;
}

/** Fires `change` (what is known), `order` (the list, since a person asked) and `choose`. */
export class Requests extends EventTarget {
    /** @param {import('./api.js').Api} api @param {import('./bridge.js').Bridge} bridge */
    constructor(api, bridge) {
        super();
        this.api = api;
        /** @type {Map<string, RequestRecord>} */
        this.ended = new Map();
        /** @type {RequestRecord[]} */
        this.all = [];
        this.total = NaN;
        this.reason = '';
        this.terms = termsOf({});
        /** @type {EnergyFigures['lanes']} */
        this.lanes = [];
        this.chosen = '';
        this.again = 0;
        this.late = false;
        this.list = new RequestList((query) => this.page(query), () => this.all, sessionStorage);
        bridge.on('requests', ({requests}) => this.live(requests));
        bridge.on('energy', (/** @type {EnergyFigures} */ {lanes}) => { this.lanes = lanes; });
        bridge.on('link', ({link}) => { if (link.state === 'open') void this.load(); });
    }

    /** @param {any[]} records */
    live(records) {
        this.add(records.map((record) => {
            const found = /** @type {any} */ (recordOf(record));
            for (const name of OPTIONAL) if (found[name] === 0) found[name] = NaN;
            return found;
        }));
        this.loadSoon();
    }

    /** Asks a second later, however many end meanwhile; for those it asks a second after that. */
    loadSoon() {
        if (this.again) {
            this.late = true;
            return;
        }
        this.again = setTimeout(() => {
            this.again = 0;
            void this.load();
            if (!this.late) return;
            this.late = false;
            this.loadSoon();
        }, AGAIN_MS);
    }

    /** A page of what is kept; how many are kept and the terms come with each. @param {string} query */
    async page(query) {
        const {requests, total, more, next, terms} = await this.api.ask(`requests?${query}`);
        // One under way has no end yet; the tokens tell of it.
        const records = (requests ?? []).map(recordOf).filter((/** @type {RequestRecord} */ one) => Number(one.e2e_ms) === one.e2e_ms || one.finish_reason || one.error);
        this.total = Number(total ?? NaN);
        this.terms = termsOf(terms);
        return {records: /** @type {RequestRecord[]} */ (records), more: Boolean(more), next: String(next ?? '')};
    }

    async load() {
        try {
            const newest = await this.page(`limit=${PAGE}`);
            this.reason = '';
            if (this.list.newest) this.list.take(newest);
            else await this.list.load();
            this.add(newest.records);
        } catch (error) {
            this.reason = error instanceof Error ? error.message : String(error);
        }
    }

    /** What a person asks of the list. @param {(list: RequestList) => Promise<void>} wish */
    async ask(wish) {
        try {
            await wish(this.list);
            this.reason = '';
        } catch (error) {
            this.reason = error instanceof Error ? error.message : String(error);
        }
        this.dispatchEvent(new Event('order'));
    }

    /** @param {RequestRecord[]} records */
    add(records) {
        if (!records.length) return;
        for (const record of records) this.ended.set(record.id, record);
        this.all = [...this.ended.values()].sort((a, b) => b.start_us - a.start_us).slice(0, MOST);
        this.ended = new Map(this.all.map((record) => [record.id, record]));
        this.dispatchEvent(new Event('change'));
    }

    /** Those without an end yet. */
    get running() {
        return this.lanes.flatMap(({model, requests}) => requests.map((one) => ({...one, model}))).filter(({id}) => !this.ended.has(id));
    }

    /** @param {string} model newest first */
    of(model) { return this.all.filter((record) => record.model === model); }

    get selected() { return this.ended.get(this.chosen) ?? this.list.held.get(this.chosen) ?? null; }

    /** @param {string} id '' or the chosen one again: none */
    choose(id) {
        this.chosen = id === this.chosen ? '' : id;
        this.dispatchEvent(new Event('choose'));
    }
}
