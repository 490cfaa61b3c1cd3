/** What the band says beside its shapes, and what stands in their place where nothing may move (LOOK "Energy"). */
import {FULL_TPS} from '../scale.js';
import {endOf} from './energy-lane.js';
import {SPAN_US, ends, gapsOf, xOf} from './energy-shapes.js';

/** @typedef {import('./energy-lane.js').Lane} Lane */
/** @typedef {import('./energy-shapes.js').Box} Box */
/** @typedef {import('./energy-paint.js').Painter} Painter */

/** A text in the canvas changes four times a second. */
export const TEXT_EACH_US = 250_000;

/** The words "6 bits", with air. */
const BITS_PX = 38;

/** Brackets under gaps, "end", and what the dots would say. @param {Painter} painter @param {Lane} lane @param {number} now_us @param {Box} box */
export function drawWords(painter, lane, now_us, box) {
    const {pen, ink} = painter, x = xOf(box, now_us);
    for (const gap of gapsOf(lane, now_us)) {
        const left = x(Math.max(gap.from_us, now_us - SPAN_US)), right = x(endOf(gap, now_us)), y = box.middle + 10;
        pen.strokeStyle = ink.stall;
        pen.lineWidth = 1.5;
        pen.beginPath();
        pen.moveTo(left + 0.5, y);
        pen.lineTo(left + 0.5, y + 5.5);
        pen.lineTo(right - 0.5, y + 5.5);
        pen.lineTo(right - 0.5, y);
        pen.stroke();
        const open = gap.to_us !== gap.to_us, length_us = endOf(gap, now_us) - gap.from_us;
        const shown_us = open ? Math.floor(length_us / TEXT_EACH_US) * TEXT_EACH_US : length_us;
        const length = shown_us >= 1e6 ? `${(shown_us / 1e6).toFixed(1)} s` : `${Math.round(shown_us / 1000)} ms`;
        painter.label(`stall ${length}`, (left + right) / 2, y + 18, ink.stall);
    }
    for (const at of ends(lane, now_us, box)) painter.label('end', at + 16, box.middle + 4, ink.text2);
    const first = lane.after(now_us - SPAN_US);
    if (first >= lane.end) return;
    const measured = lane.bits.subarray(first, lane.end).some((bits) => bits === bits);
    pen.textAlign = 'left';
    if (measured) {
        // Dots of a model that wanders stand as high as the word for it: there it has a ground of its own.
        pen.fillStyle = ink.bg;
        pen.fillRect(box.left + 3, box.top - 2, BITS_PX, 13);
    }
    pen.fillStyle = ink.text3;
    pen.fillText(measured ? '6 bits' : 'entropy not measured', box.left + 6, measured ? box.top + 8 : box.middle - 16);
}

/** px right of the bars, for their numbers. */
const BAR_WORDS_PX = 200;

/** The two bars of a lane: rate over E. @param {Box} box */
export function bars(box) {
    const width = Math.max(40, box.right - box.left - BAR_WORDS_PX), left = box.left + 8;
    return {left, width, rate_y: box.middle - 10, energy_y: box.middle + 10};
}

/**
 * For those who asked for no motion: a bar for the rate and one for E, and their numbers.
 * @param {Painter} painter
 * @param {{box: Box, tps: number, energy: number, state: string}[]} all
 */
export function drawStill(painter, all) {
    const {pen, ink} = painter;
    all.forEach(({box, tps, energy, state}, at) => {
        const {left, width, rate_y, energy_y} = bars(box);
        const bar = (/** @type {number} */ y, /** @type {number} */ share, /** @type {string} */ words) => {
            pen.fillStyle = ink.grid;
            pen.fillRect(left, y - 4, width, 8);
            pen.fillStyle = ink.streams[at % ink.streams.length];
            if (share === share) pen.fillRect(left, y - 4, width * Math.min(share, 1), 8);
            pen.textAlign = 'left';
            pen.fillStyle = ink.text;
            pen.fillText(words, left + width + 12, y + 4);
        };
        bar(rate_y, tps / FULL_TPS, tps === tps ? `${tps.toFixed(1)} tok/s, of ${FULL_TPS}` : `– tok/s, ${state}`);
        bar(energy_y, energy, energy === energy ? `E ${energy.toFixed(2)}, of 1` : 'E not measured');
    });
}
