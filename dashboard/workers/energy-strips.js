/** E of the models that have no lane: a strip each at the band's foot, so that what is computed is drawn (CONTRACTS §3). */
import {SPAN_US, ageAt, energyAt, glow} from './energy-shapes.js';

/** @typedef {import('./energy-lane.js').Lane} Lane */
/** @typedef {import('./energy-shapes.js').Rows} Rows */
/** @typedef {{lane: Lane, rows: Rows|null}} Other */

/** As many as fit without taking the lanes' room; more models are told of in words. */
const MOST = 12;
const HIGH = 3, PITCH = 4, AXIS = 24;
/** Steps of E that a strip does not tell apart. */
const STEP = 1 / 64;

/** Height that they take from the lanes, px. @param {number} count */
export const stripsHeight = (count) => Math.min(count, MOST) * PITCH;

/** Tops of the strips, from above. @param {number} count @param {number} height of the band, px */
const tops = (count, height) => Array.from({length: Math.min(count, MOST)}, (_, at) => height - AXIS - stripsHeight(count) + at * PITCH);

/**
 * @param {import('./energy-paint.js').Painter} painter @param {Other[]} others @param {number} now_us
 * @returns {number} the energy that was drawn, s at full energy
 */
export function drawStrips(painter, others, now_us) {
    const box = {left: 0, right: painter.width - 1, top: 0, middle: 0, bottom: 0}, places = tops(others.length, painter.height);
    return places.reduce((drawn, top, at) => drawn + painter.strip(glow(others[at].rows, now_us, box, STEP), box, top, HIGH, at), 0);
}

/**
 * What a strip stands on at a point; null where none is.
 * @param {Other[]} others @param {number} x @param {number} y px @param {number} width @param {number} height of the band @param {number} now_us
 */
export function stripEvidence(others, x, y, width, height, now_us) {
    const at = tops(others.length, height).findIndex((top) => y >= top && y < top + PITCH);
    if (at < 0) return null;
    const {lane, rows} = others[at], time_us = now_us - SPAN_US * (1 - x / Math.max(width - 1, 1));
    return {kind: 'strip', model: lane.model, energy: energyAt(rows, time_us), age_ms: (now_us - time_us) / 1000 + ageAt(rows, time_us), x, y};
}
