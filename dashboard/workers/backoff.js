/** How long to wait before try n (0, 1, 2 …): doubling from 0.2 s to 1.6 s, a random half of it left off so that pages do not knock together. */

const FIRST_MS = 200;
/** With its ticket and handshake a try is done in < 1 s, so a page is back ≤ 3 s after the door is. */
const MOST_MS = 1600;

/** @param {number} attempt @param {number} random in [0, 1) */
export function backoff_ms(attempt, random) {
    return Math.min(FIRST_MS * 2 ** attempt, MOST_MS) * (0.5 + random / 2);
}
