/** What a mark of the energy band stands on: metric, value, unit, source and age. Pure. */
import {SPAN_US, dotHeight, energyAt} from './energy-shapes.js';

const NEAR_US = 150_000;
const NONE = NaN;

/**
 * @param {import('./energy-lane.js').Lane} lane @param {import('./energy-shapes.js').Rows|null} rows of model.energy
 * @param {number} time_us asked for @param {number} now_us @param {number} y px, NaN: not asked for @param {import('./energy-shapes.js').Box} box
 */
export function evidenceAt(lane, rows, time_us, now_us, y, box) {
    const gap = lane.gaps.find(({from_us, to_us}) => time_us > from_us && time_us < to_us)
        ?? (lane.open && time_us > lane.last_us && now_us - lane.last_us > lane.stall_us ? {from_us: lane.last_us, to_us: now_us} : null);
    const charge = lane.charges.find(({from_us, to_us}) => time_us >= from_us && !(time_us > (to_us === to_us ? to_us : now_us)));
    const row = nearest(lane, time_us, y, box);
    const near = row >= 0 && Math.abs(lane.times[row] - time_us) <= NEAR_US;
    const at = near ? row : -1;
    return {
        model: lane.model,
        time_us: at >= 0 ? lane.times[at] : NONE,
        age_ms: at >= 0 ? (now_us - lane.times[at]) / 1000 : NONE,
        gap_ms: at > lane.start ? (lane.times[at] - lane.times[at - 1]) / 1000 : NONE,
        tps: at >= 0 ? lane.rate(lane.times[at]) : NONE,
        bits: at >= 0 ? lane.bits[at] : NONE, low_bits: at >= 0 ? lane.low_bits[at] : NONE, high_bits: at >= 0 ? lane.high_bits[at] : NONE,
        certainty: at >= 0 ? lane.certainty[at] : NONE,
        energy: energyAt(rows, at >= 0 ? Math.min(lane.times[at] + 50_000, now_us) : time_us),
        stall_limit_ms: lane.stall_us / 1000, burst_tps: lane.burst_tps,
        stall_ms: gap ? (gap.to_us - gap.from_us) / 1000 : NONE,
        waiting_ms: charge ? ((charge.to_us === charge.to_us ? charge.to_us : now_us) - charge.from_us) / 1000 : NONE,
        dot_y: at >= 0 && lane.bits[at] === lane.bits[at] ? dotHeight(box, lane.bits[at]) : NONE,
    };
}

/** The token nearest in time; where a height is pointed at, the nearest dot. @param {import('./energy-lane.js').Lane} lane @param {number} time_us @param {number} y @param {import('./energy-shapes.js').Box} box */
function nearest(lane, time_us, y, box) {
    let best = -1, distance = Infinity;
    const scale = (box.right - box.left) / SPAN_US;
    for (let row = Math.max(lane.after(time_us - NEAR_US) - 1, lane.start); row < lane.end && lane.times[row] <= time_us + NEAR_US; row++) {
        const across = Math.abs(lane.times[row] - time_us) * scale;
        const down = y === y && y < box.middle - 8 && lane.bits[row] === lane.bits[row] ? Math.abs(dotHeight(box, lane.bits[row]) - y) : 0;
        if (across + down < distance) { distance = across + down; best = row; }
    }
    return best;
}
