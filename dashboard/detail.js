/**
 * The level of detail: 0 all, 1 half as often, 2 twice a second. Down by one after 1 s of breach, up again after 5 s
 * with > 4 ms to spare, 2 s between two steps (CONTRACTS §5); a level that fell twice in a minute waits 30 s. The first 5 s
 * of a page that is opened, or shown again, have no say: it loads, lays out and draws what is drawn once. Pure.
 */

export const LEVELS = [{name: 'T0', hz: 20}, {name: 'T1', hz: 10}, {name: 'T2', hz: 2}];

const WARN_MS = 18;
const BREACH_S = 1, CALM_S = 5, COOLDOWN_S = 2, LONG_CALM_S = 30, SPARE_MS = 4;
const OPENING_S = 5;
/** The bar is 95 % of slots. */
const MOST_DROPPED = 0.05;

export class DetailLevel {
    constructor() {
        this.level = 0;
        /** How long the breach, or the calm, that goes on has lasted. */
        this.breach_s = this.calm_s = 0;
        this.changed_s = -Infinity;
        this.opened_s = -Infinity;
        /** @type {number[]} */
        this.falls_s = [];
    }

    /** The page is seen from now on. @param {number} now_s monotonic */
    open(now_s) {
        this.opened_s = now_s;
        this.breach_s = this.calm_s = 0;
    }

    /**
     * Judges a stretch of frames that has just ended; a breach in it has lasted since it began.
     * @param {{work_p95_ms: number, dropped: number, slots: number, slot_ms: number}} seen @param {number} now_s monotonic
     * @param {number} lasted_s about 1 @returns {number}
     */
    see({work_p95_ms, dropped, slots, slot_ms}, now_s, lasted_s) {
        if (!(slots > 0) || slot_ms !== slot_ms || now_s - lasted_s - this.opened_s < OPENING_S) return this.level;
        const missed = dropped / slots;
        const breach = missed > MOST_DROPPED || work_p95_ms > WARN_MS;
        const calm = missed <= MOST_DROPPED / 2 && work_p95_ms < slot_ms - SPARE_MS;
        this.breach_s = breach ? this.breach_s + lasted_s : 0;
        this.calm_s = calm ? this.calm_s + lasted_s : 0;
        if (now_s - this.changed_s < COOLDOWN_S) return this.level;
        this.falls_s = this.falls_s.filter((fall) => now_s - fall < 60);
        const wait = this.falls_s.length >= 2 ? LONG_CALM_S : CALM_S;
        if (this.breach_s >= BREACH_S && this.level < LEVELS.length - 1) {
            this.falls_s.push(now_s);
            this.step(1, now_s);
        } else if (this.calm_s >= wait && this.level > 0) {
            this.step(-1, now_s);
        }
        return this.level;
    }

    /** @param {-1|1} by @param {number} now_s */
    step(by, now_s) {
        this.level += by;
        this.changed_s = now_s;
        this.breach_s = this.calm_s = 0;
    }
}
