/**
 * What is to be drawn, in steps: lines first, then the words and tables beside them. A frame takes steps for so long and
 * leaves the rest to the next: on a busy machine three short frames are in time where one long one is not. Pure.
 */

/** Words are drawn with lines, so that one picture shows both; where no line comes (a fixed range, a pause), after this. */
const WORDS_WAIT_MS = 120;
/** Where lines take every budget, one step of words goes all the same. */
const WORDS_LATE_MS = 250;

export class FrameWork {
    /** @param {number} budget_ms of each frame @param {() => number} now_ms monotonic */
    constructor(budget_ms, now_ms) {
        this.budget_ms = budget_ms;
        this.now_ms = now_ms;
        /** By plot; each says the time of its newest value, µs. @type {Map<string, () => number>} */
        this.lines = new Map();
        /** By who writes them. @type {Map<unknown, () => void>} */
        this.waiting = new Map();
        this.waitSince_ms = 0;
        /** A line was drawn since the first of the words came. */
        this.lineCame = false;
    }

    /** A newer one of the same plot takes the place of the older. @param {string} id @param {() => number} step */
    line(id, step) { this.lines.set(id, step); }

    /** @param {unknown} who a newer step of the same takes the place of the older @param {() => void} step */
    words(who, step) {
        if (!this.waiting.size) {
            this.waitSince_ms = this.now_ms();
            this.lineCame = false;
        }
        this.waiting.set(who, step);
    }

    /** One frame. @returns {{drew: boolean, newest_us: number}} newest_us: of the lines that were drawn, else 0 */
    run() {
        const began_ms = this.now_ms();
        let drew = false, newest_us = 0;
        const spent = () => drew && this.now_ms() - began_ms >= this.budget_ms;
        for (const [id, step] of this.lines) {
            if (spent()) break;
            this.lines.delete(id);
            newest_us = Math.max(newest_us, step());
            drew = true;
        }
        this.lineCame ||= drew;
        const waited_ms = began_ms - this.waitSince_ms;
        if (!this.lineCame && waited_ms <= WORDS_WAIT_MS) return {drew, newest_us};
        let due = waited_ms > WORDS_LATE_MS;
        for (const [who, step] of this.waiting) {
            if (spent() && !due) break;
            due = false;
            this.waiting.delete(who);
            step();
            drew = true;
        }
        return {drew, newest_us};
    }
}
