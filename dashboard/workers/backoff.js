/** How long to wait before try n (0, 1, 2 …): doubling from 0.2 s to 0.8 s, a random half of it left off so that pages do not knock together. */

const FIRST_MS = 200;
/** A killed gateway is at its door again in 1 to 2 s, and the page within 3 s of the kill: no more of that is for waiting. */
const MOST_MS = 800;

/** @param {number} attempt @param {number} random in [0, 1) */
export function backoff_ms(attempt, random) {
    return Math.min(FIRST_MS * 2 ** attempt, MOST_MS) * (0.5 + random / 2);
}
