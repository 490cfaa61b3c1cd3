/**
 * Frames counted by display slots (CONTRACTS §5). A raw delta quantises around the slot's length, so "≤ 16.67 ms"
 * fails on a perfect page; and a 200 ms stall is one late frame but eleven empty slots. Pure: intervals come in.
 */

const WINDOW_MS = 2000;
/** A page that is always half as fast as its display would look perfect by its own median; so the shortest of the last minute counts. */
const REMEMBERED_MEDIANS = 30;

/** @param {number[]} values sorted copy is made @param {number} share nearest rank (CONTRACTS §6) */
export function quantile(values, share) {
    if (!values.length) return NaN;
    const sorted = [...values].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))];
}

export class SlotCounter {
    constructor() {
        /** @type {number[]} */
        this.recent = [];
        this.recent_ms = 0;
        /** @type {number[]} */
        this.medians = [];
        this.since_ms = 0;
        /** Length of a slot; NaN until enough frames were seen. */
        this.slot_ms = NaN;
        this.frames_total = 0;
        this.dropped_total = 0;
    }

    /** A hidden page has no frames to miss: what lies between is left out. */
    pause() {
        this.recent = [];
        this.recent_ms = 0;
        this.since_ms = 0;
    }

    /** @param {number} interval_ms between two frames @returns {number} slots it took, 1 where all is well */
    frame(interval_ms) {
        this.recent.push(interval_ms);
        this.recent_ms += interval_ms;
        this.since_ms += interval_ms;
        while (this.recent_ms > WINDOW_MS && this.recent.length > 1) this.recent_ms -= this.recent.shift() ?? 0;
        if (this.slot_ms !== this.slot_ms ? this.recent.length >= 10 : this.since_ms >= WINDOW_MS) this.measure();
        this.frames_total++;
        if (this.slot_ms !== this.slot_ms) return 1;
        const slots = Math.max(1, Math.round(interval_ms / this.slot_ms));
        this.dropped_total += slots - 1;
        return slots;
    }

    measure() {
        this.since_ms = 0;
        this.medians = [...this.medians.slice(1 - REMEMBERED_MEDIANS), quantile(this.recent, 0.5)];
        this.slot_ms = Math.min(...this.medians);
    }
}
