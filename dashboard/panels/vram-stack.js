/** Which models stand in the stack of the GPU's memory, and in which order. Pure. */

/** A model that has told nothing for so long has left every live plot, µs. */
const KEPT_US = 300e6;
/** More layers than these no eye tells apart; the smallest are in "other". */
const MOST = 6;

/** The models that a plot of the last minutes may show, that of the greatest peak first: an order that changes seldom. */
export class Holders {
    constructor() {
        /** @type {Map<string, {peak: number, seen_us: number}>} */
        this.known = new Map();
    }

    /** @param {[string, number][]} models name, bytes now @param {number} now_us @returns {string[]} */
    take(models, now_us) {
        for (const [name, bytes] of models) {
            if (bytes > 0) this.known.set(name, {peak: Math.max(bytes, this.known.get(name)?.peak ?? 0), seen_us: now_us});
        }
        for (const [name, {seen_us}] of this.known) if (now_us - seen_us > KEPT_US) this.known.delete(name);
        return [...this.known].sort(([, a], [, b]) => b.peak - a.peak).slice(0, MOST).map(([name]) => name);
    }
}
