/** The last minute of the energy band as a table. Pure. */
import {energyAt} from './energy-shapes.js';

/** @typedef {import('./energy-lane.js').Lane} Lane */

/** A row a second and lane in which tokens came, newest first. @param {Lane[]} lanes @param {number} now_us @param {(lane: Lane, metric: string) => import('./energy-shapes.js').Rows|null} rowsOf */
export function lastMinute(lanes, now_us, rowsOf) {
    const second_us = Math.floor(now_us / 1e6) * 1e6, lines = [];
    for (let back = 0; back < 60; back++) {
        const to_us = second_us - back * 1e6;
        for (const lane of lanes) {
            const first = lane.after(to_us - 1e6), end = lane.after(to_us);
            if (first === end) continue;
            const bits = [...lane.bits.subarray(first, end)].filter((one) => one === one);
            lines.push({
                time_us: to_us, model: lane.model, tokens: lane.total(end) - lane.total(first), energy: energyAt(rowsOf(lane, 'model.energy'), to_us),
                r: energyAt(rowsOf(lane, 'model.interference'), to_us),
                bits: bits.length ? bits.reduce((a, b) => a + b) / bits.length : NaN,
                stalls: lane.gaps.filter((gap) => gap.to_us > to_us - 1e6 && gap.to_us <= to_us).length,
            });
        }
    }
    return lines;
}
