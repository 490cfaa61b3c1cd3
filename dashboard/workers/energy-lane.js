/**
 * What is known of one model's tokens in the last minute (CONTRACTS §2, §4). Pure: bursts and the monitor's clock
 * come in. Times are µs of the monitor's clock and never go back: of two requests at once the later may come first.
 */
import {Phase} from '../gen/live.js';
import {upperBound} from './rings.js';

/** @typedef {import('../types').TokenBurst} TokenBurst */

/** A longer wait between two tokens is a stall, until a profile says otherwise (CONTRACTS §2). */
const STALL_US = 400_000, BURST_TPS = 12;
/** Above this rate strokes merge, each told as ×N (LOOK "Energy"). */
export const MERGE_ABOVE_TPS = 40;
const KEPT_US = 61e6;
/** Nobody told the end of a request that has been silent for so long. */
const LOST_AFTER_US = 60e6;
const RATE_OVER_US = 1e6;
const COMPACT_AT = 4096;

/**
 * @typedef {{from_us: number, to_us: number}} Span to_us NaN: not over
 * @typedef {{at_us: number, tokens: number, gap_ms: number}} Stroke
 * @typedef {{charge: Span|null, flows: boolean, begun_us: number, first_us: number, tokens: number}} Request begun_us: NaN where the page came later
 */

/** @param {Span} span @param {number} now_us */
export function endOf({to_us}, now_us) { return to_us === to_us ? to_us : now_us; }

export class Lane {
    /** @param {string} model */
    constructor(model) {
        this.model = model;
        this.times = new Float64Array(2 * COMPACT_AT);
        /** Tokens up to and with each entry. */
        this.totals = new Float64Array(2 * COMPACT_AT);
        this.bits = new Float64Array(2 * COMPACT_AT);
        this.low_bits = new Float64Array(2 * COMPACT_AT);
        this.high_bits = new Float64Array(2 * COMPACT_AT);
        this.certainty = new Float64Array(2 * COMPACT_AT);
        this.start = this.end = 0;
        /** From first token to last, of one or several requests. @type {Span[]} */
        this.flows = [];
        /** From prompt to first token. @type {Span[]} */
        this.charges = [];
        /** Between two tokens of a flow, longer than the stall time. @type {Span[]} */
        this.gaps = [];
        /** @type {Stroke[]} */
        this.strokes = [];
        this.pending = 0;
        this.stall_us = STALL_US;
        /** Above it a model bursts: 0.6 × TPS_max of the profile (CONTRACTS §2). */
        this.burst_tps = BURST_TPS;
        this.ttft_ms = NaN;
        this.lastRate = NaN;
        this.heard_us = NaN;
        /** @type {Map<string, Request>} */
        this.running = new Map();
    }

    get last_us() { return this.end > this.start ? this.times[this.end - 1] : NaN; }

    get open() { const flow = this.flows.at(-1); return flow && flow.to_us !== flow.to_us ? flow : null; }

    /** @param {TokenBurst} burst @param {number} now_us */
    take(burst, now_us) {
        this.heard_us = now_us;
        const known = this.running.get(burst.request_id);
        const request = known ?? {charge: null, flows: false, begun_us: NaN, first_us: NaN, tokens: 0};
        if (!known) this.running.set(burst.request_id, request);
        if (!known && (burst.phase === Phase.PHASE_SENT || burst.sent_us)) {
            // Told a moment later than it was; a first token that came soon would seem to have come at once.
            request.charge = {from_us: burst.sent_us || (burst.times_us[0] ?? now_us), to_us: NaN};
            request.begun_us = request.charge.from_us;
            this.charges.push(request.charge);
        }
        burst.times_us.forEach((time_us, at) => this.token(request, time_us, burst, at));
        if (burst.phase === Phase.PHASE_ENDED) this.finish(burst.request_id, request, burst.times_us.at(-1) ?? now_us);
        this.forget(now_us);
    }

    /** @param {Request} request @param {number} told_us @param {TokenBurst} burst @param {number} at */
    token(request, told_us, burst, at) {
        const last_us = this.last_us, time_us = last_us > told_us ? last_us : told_us;
        const count = Math.max(burst.tokens[at] || 1, 1);
        if (!request.flows) request.first_us = time_us;
        request.flows = true;
        request.tokens += count;
        if (request.charge && request.charge.to_us !== request.charge.to_us) {
            request.charge.to_us = Math.max(time_us, request.charge.from_us);
            this.ttft_ms = (request.charge.to_us - request.charge.from_us) / 1000;
        }
        const gap_us = this.open ? time_us - last_us : NaN;
        if (!this.open) { this.flows.push({from_us: time_us, to_us: NaN}); this.pending = 0; }
        if (gap_us > this.stall_us) this.gaps.push({from_us: last_us, to_us: time_us});
        if (this.end === this.times.length) this.compact();
        const row = this.end++;
        this.times[row] = time_us;
        this.totals[row] = this.total(row) + count;
        this.bits[row] = burst.entropy_bits[at] ?? NaN;
        this.low_bits[row] = burst.entropy_low_bits[at] ?? NaN;
        this.high_bits[row] = burst.entropy_high_bits[at] ?? NaN;
        this.certainty[row] = burst.certainty[at] ?? NaN;
        this.pending += count;
        const rate = this.rate(time_us);
        this.lastRate = rate;
        if (this.pending >= Lane.merged(rate)) {
            this.strokes.push({at_us: time_us, tokens: this.pending, gap_ms: gap_us / 1000 / count});
            this.pending = 0;
        }
    }

    /** @param {string} id @param {Request} request @param {number} time_us */
    finish(id, request, time_us) {
        if (request.charge && request.charge.to_us !== request.charge.to_us) request.charge.to_us = Math.max(time_us, request.charge.from_us);
        this.running.delete(id);
        const flow = this.open;
        if (flow && ![...this.running.values()].some(({flows}) => flows)) flow.to_us = this.last_us;
    }

    /** Tokens in (t − 1 s, t]: model.tps as CONTRACTS §2 defines it. @param {number} time_us */
    rate(time_us) {
        return this.total(upperBound(this.times, this.start, this.end, time_us)) - this.total(upperBound(this.times, this.start, this.end, time_us - RATE_OVER_US));
    }

    /**
     * The integral of the rate up to a moment, in tokens: one that has come counts in the rate for a second, and has
     * moved what runs with the rate by one when that is over. @param {number} time_us
     */
    travelled(time_us) {
        const first = this.after(time_us - RATE_OVER_US), end = this.after(time_us);
        let sum = this.total(first);
        for (let row = first; row < end; row++) sum += (this.total(row + 1) - this.total(row)) * (time_us - this.times[row]) / RATE_OVER_US;
        return sum;
    }

    /** @param {number} row one after the last that counts */
    total(row) { return row > this.start ? this.totals[row - 1] : this.start > 0 ? this.totals[this.start - 1] : 0; }

    /** First row after a moment. @param {number} time_us */
    after(time_us) { return upperBound(this.times, this.start, this.end, time_us); }

    /** The charge that goes on longest, or null. @returns {Span|null} */
    get waiting() {
        const open = this.charges.filter(({to_us}) => to_us !== to_us);
        return open.length ? open.reduce((a, b) => (b.from_us < a.from_us ? b : a)) : null;
    }

    /** @param {number} now_us @returns {'charging'|'flowing'|'stalled'|'quiet'} */
    state(now_us) {
        if (this.open) return now_us - this.last_us > this.stall_us ? 'stalled' : 'flowing';
        return this.waiting ? 'charging' : 'quiet';
    }

    /** The rate of now; NaN while no request flows. @param {number} now_us */
    rateNow(now_us) { return this.open ? this.rate(now_us) : NaN; }

    /** How many tokens a lightning stands for at a rate. @param {number} tps */
    static merged(tps) { return Math.max(1, Math.ceil(tps / MERGE_ABOVE_TPS)); }

    /** @param {number} now_us */
    bursts(now_us) { return this.rateNow(now_us) > this.burst_tps; }

    /** What is older than a minute; and flows whose end nobody told. @param {number} now_us */
    forget(now_us) {
        const old_us = now_us - KEPT_US;
        const keep = (/** @type {Span} */ span) => !(span.to_us < old_us);
        this.flows = this.flows.filter(keep);
        this.charges = this.charges.filter(keep);
        this.gaps = this.gaps.filter(keep);
        this.strokes = this.strokes.filter(({at_us}) => at_us >= now_us - 12e6);
        if (this.open && now_us - this.last_us > LOST_AFTER_US) {
            this.open.to_us = this.last_us;
            for (const [id, {flows}] of this.running) if (flows) this.running.delete(id);
        }
        while (this.start < this.end && this.times[this.start] < old_us) this.start++;
    }

    compact() {
        const from = Math.max(this.start - 1, 0), kept = this.end - from;
        const room = kept > COMPACT_AT ? 2 * this.times.length : this.times.length;
        for (const name of /** @type {const} */ (['times', 'totals', 'bits', 'low_bits', 'high_bits', 'certainty'])) {
            const next = new Float64Array(room);
            next.set(this[name].subarray(from, this.end));
            this[name] = next;
        }
        this.start -= from;
        this.end = kept;
    }

    /** Whether a token or a wait of it lies in the last `span_us`, or goes on. @param {number} now_us @param {number} span_us */
    moves(now_us, span_us) {
        if (this.open || this.waiting) return true;
        const since_us = now_us - span_us;
        return this.last_us >= since_us || this.charges.some(({to_us}) => to_us >= since_us);
    }
}
