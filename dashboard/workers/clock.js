/**
 * The monitor's clock as the page knows it. Of eight pings the one with the least round trip is kept
 * (offset error ≤ 0.6 ms, measured); the round is repeated each ten seconds.
 */

const ROUND = 8;
export const ROUND_EACH_MS = 10_000;

/** This browser's wall clock in µs, finer than Date.now(). */
export function localNow_us() {
    return (performance.timeOrigin + performance.now()) * 1000;
}

export class ServerClock {
    constructor() {
        /** server − page, µs; 0 until the first round has ended */
        this.offset_us = 0;
        this.round_trip_ms = NaN;
        /** @type {{trip_us: number, offset_us: number}[]} */
        this.round = [];
    }

    /** @param {number} sent_us page's clock @param {number} server_us @param {number} received_us @returns {boolean} true: the round goes on */
    pong(sent_us, server_us, received_us) {
        const trip_us = received_us - sent_us;
        this.round.push({trip_us, offset_us: server_us - (sent_us + trip_us / 2)});
        if (this.round.length === 1 && !Number.isFinite(this.round_trip_ms)) this.settle(false);
        if (this.round.length < ROUND) return true;
        this.settle(true);
        return false;
    }

    /** @param {boolean} end */
    settle(end) {
        const best = this.round.reduce((a, b) => (b.trip_us < a.trip_us ? b : a));
        this.offset_us = best.offset_us;
        this.round_trip_ms = best.trip_us / 1000;
        if (end) this.round = [];
    }

    now_us() { return localNow_us() + this.offset_us; }
}
