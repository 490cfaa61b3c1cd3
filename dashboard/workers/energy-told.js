/** What the band tells the page of itself, four times a second while it moves. Pure. */
import {Lane} from './energy-lane.js';
import {SPAN_US, energyTold} from './energy-shapes.js';

/** @typedef {import('./energy-shapes.js').Rows} Rows */

/** Less energy than this, s at full energy, is too little to divide by. */
const LEAST_S = 0.05;

/**
 * Energy drawn over energy computed (CONTRACTS §3); computed is that of all models, also of those that have no lane.
 * NaN: there was none to draw.
 * @param {number} drawn_s s at full energy @param {(Rows|null)[]} all rows of model.energy, of each model @param {number} now_us
 */
export function fidelity(drawn_s, all, now_us) {
    const computed_s = all.reduce((sum, rows) => sum + energyTold(rows, now_us - SPAN_US, now_us), 0);
    return computed_s > LEAST_S ? drawn_s / computed_s : NaN;
}

/**
 * Of each lane its strongest r with another and that one's name, '' where it is not told which; NaN: none.
 * @param {Lane[]} lanes @param {import('./energy-ripples.js').Ripple[]} together
 */
export function company(lanes, together) {
    return lanes.map((_, at) => {
        const [found] = together.filter(({one, other}) => one === at || other === at).sort((a, b) => Math.abs(b.r) - Math.abs(a.r));
        if (!found) return {r: NaN, r_with: ''};
        return {r: found.r, r_with: found.one === at && found.name || (lanes[found.one === at ? found.other : found.one]?.model ?? '')};
    });
}

/** @param {Lane} lane @param {number} middle px @param {number} now_us @returns {Omit<import('../types').LaneFigures, 'r' | 'r_with'>} */
export function laneFigures(lane, middle, now_us) {
    const state = lane.state(now_us), tps = lane.rateNow(now_us);
    return {
        model: lane.model, middle, state, tps, bursts: lane.bursts(now_us), burst_tps: lane.burst_tps,
        per_spark: Lane.merged(tps || 0), stall_limit_ms: lane.stall_us / 1000,
        last_rate: lane.lastRate, last_us: lane.last_us, ttft_ms: lane.ttft_ms,
        waiting_ms: lane.waiting ? (now_us - lane.waiting.from_us) / 1000 : NaN,
        stalled_ms: state === 'stalled' ? (now_us - lane.last_us) / 1000 : NaN,
        requests: [...lane.running].map(([id, {begun_us, first_us, tokens}]) => ({id, begun_us, first_us, tokens})),
    };
}
