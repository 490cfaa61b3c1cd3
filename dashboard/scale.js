/**
 * Scales that let two glances compare. Where the machine has a capacity it is the scale; where it has none
 * (network, disk) the scale steps 1-2-5, up at once and down only when nothing near it was seen for a while.
 */

/** tok/s at which a ribbon of the energy band has its full width, and the bar in its place its full length. */
export const FULL_TPS = 40;

/** The least 1, 2 or 5 × 10ⁿ that is ≥ value. @param {number} value @param {number} least */
export function step125(value, least) {
    let step = least;
    for (const factors = [2, 2.5, 2]; step < value * 0.9999;) {
        const lead = Math.round(step / 10 ** Math.floor(Math.log10(step) + 1e-9));
        step *= lead === 1 ? factors[0] : lead === 2 ? factors[1] : factors[2];
    }
    return step;
}

const HOLD_S = 10;

export class SteppedScale {
    /** @param {number} least smallest full scale, of the form 1, 2 or 5 × 10ⁿ */
    constructor(least) {
        this.least = least;
        this.max = least;
        this.lowSince_s = NaN;
    }

    /** @param {number} highest greatest value in view @param {number} now_s monotonic @returns {number} */
    see(highest, now_s) {
        const wanted = step125(Number.isFinite(highest) ? highest : 0, this.least);
        if (wanted >= this.max) {
            this.max = wanted;
            this.lowSince_s = NaN;
        } else if (this.lowSince_s !== this.lowSince_s) {
            this.lowSince_s = now_s;
        } else if (now_s - this.lowSince_s >= HOLD_S) {
            this.max = wanted;
            this.lowSince_s = NaN;
        }
        return this.max;
    }
}
