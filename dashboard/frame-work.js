/**
 * What is to be drawn, in steps: lines first, then the words and tables beside them. A frame takes steps for so long and
 * leaves the rest to the next: on a busy machine three short frames are in time where one long one is not. Pure.
 */

/**
 * What a step takes of the frame over its script, as a multiple: raster of its canvas after a line, layout and paint after
 * words (Chromium 156 without a GPU, a trace of the whole page: 1.3 ms of script, then 1.2 of raster; 0.9 of script, then 4.5
 * of layout and paint).
 */
const LINE_COST = 2, WORDS_COST = 5;
/** Words are drawn with lines, so that one picture shows both; where no line comes (a fixed range, a pause), after this. */
const WORDS_WAIT_MS = 120;
/** Where lines take every budget, one step of words goes all the same. */
const WORDS_LATE_MS = 250;

export class FrameWork {
    /** @param {number} budget_ms of the thread, in each frame @param {() => number} now_ms monotonic */
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
        let newest_us = 0, spent_ms = 0, at_ms = began_ms, drew = false;
        const spend = (/** @type {number} */ cost) => {
            const now_ms = this.now_ms();
            spent_ms += (now_ms - at_ms) * cost;
            at_ms = now_ms;
            drew = true;
        };
        for (const [id, step] of this.lines) {
            if (spent_ms >= this.budget_ms) break;
            this.lines.delete(id);
            newest_us = Math.max(newest_us, step());
            spend(LINE_COST);
        }
        this.lineCame ||= drew;
        const waited_ms = began_ms - this.waitSince_ms;
        if (!this.lineCame && waited_ms <= WORDS_WAIT_MS) return {drew, newest_us};
        let late = waited_ms > WORDS_LATE_MS;
        for (const [who, step] of this.waiting) {
            if (spent_ms >= this.budget_ms && !late) break;
            late = false;
            this.waiting.delete(who);
            step();
            spend(WORDS_COST);
        }
        return {drew, newest_us};
    }
}
