/** The last minute of the energy band as a table. Pure. */
import {strongest} from './energy-ripples.js';
import {energyAt} from './energy-shapes.js';

/** @typedef {import('./energy-lane.js').Lane} Lane */

/** A row a second and lane in which tokens came, newest first. @param {Lane[]} lanes @param {number} now_us @param {(lane: Lane) => import('./energy-shapes.js').Rows|null} energyOf @param {(lane: Lane) => import('./energy-rows.js').Beside[]} besideOf rows of model.interference */
export function lastMinute(lanes, now_us, energyOf, besideOf) {
    const second_us = Math.floor(now_us / 1e6) * 1e6, lines = [];
    for (let back = 0; back < 60; back++) {
        const to_us = second_us - back * 1e6;
        for (const lane of lanes) {
            const first = lane.after(to_us - 1e6), end = lane.after(to_us);
            if (first === end) continue;
            const {r, other} = strongest(besideOf(lane), to_us);
            const bits = [...lane.bits.subarray(first, end)].filter((one) => one === one);
            lines.push({
                time_us: to_us, model: lane.model, tokens: lane.total(end) - lane.total(first), energy: energyAt(energyOf(lane), to_us),
                r, r_with: other,
                bits: bits.length ? bits.reduce((a, b) => a + b) / bits.length : NaN,
                stalls: lane.gaps.filter((gap) => gap.to_us > to_us - 1e6 && gap.to_us <= to_us).length,
            });
        }
    }
    return lines;
}
