/**
 * The light that runs along a ribbon at token velocity (CONTRACTS §4). Pure. Its way is the integral of the measured
 * rate: each token carries it CORE_PX_A_TOKEN, spread over the second in which that token counts in the rate; without
 * tokens it stands.
 */
import {SPAN_US, xOf} from './energy-shapes.js';

/** @typedef {import('./energy-lane.js').Lane} Lane */
/** @typedef {import('./energy-shapes.js').Box} Box */

export const CORE_PX_A_TOKEN = 4;
export const PULSE_PX = 30;
const PITCH_PX = 92;

/** Heads of the pulses on the solid end of the flow that goes on, and how long a tail each has. @param {Lane} lane @param {number} now_us @param {Box} box */
export function pulses(lane, now_us, box) {
    const flow = lane.open;
    if (!flow) return [];
    const x = xOf(box, now_us), stalled = now_us - lane.last_us > lane.stall_us;
    const from = x(Math.max(flow.from_us, lane.gaps.at(-1)?.to_us ?? 0, now_us - SPAN_US)), to = stalled ? x(lane.last_us) : box.right;
    const phase = (lane.travelled(now_us) * CORE_PX_A_TOKEN) % PITCH_PX;
    const found = [];
    for (let head = box.right - PITCH_PX + phase; head > from; head -= PITCH_PX) {
        if (head <= to) found.push({head, tail: Math.min(PULSE_PX, head - from)});
    }
    return found;
}
