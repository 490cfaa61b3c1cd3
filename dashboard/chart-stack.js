/**
 * A stack in a plot: who holds how much of what the first line measures. Each layer is a measured line of its own; the
 * lowest is what none of them tells of ("other"). Filled a rectangle a column, as chart-lines.js says why.
 */
import {placing} from './chart-lines.js';
import {ink} from './ink.js';

/** @typedef {import('./vendor/uplot/uPlot.js')} UPlot */
/** @typedef {import('./types').PlotColumns} PlotColumns */
/** @typedef {import('./types').LineKind} LineKind */

/** A layer told once a second may be late by two rows before it counts as gone, µs. */
const LATE_US = 2.5e6;

/**
 * The upper edges of the layers, lowest first: other, then each stack line in its order. NaN: not measured there, and not
 * drawn. Nothing is stacked where no layer or no whole is measured, nor after the newest row of a layer that is only late:
 * its share would be told as other.
 * @param {PlotColumns} columns @param {LineKind[]} kinds the first line is the whole @returns {Float64Array[]}
 */
export function layersOf({x, ys, step_us}, kinds) {
    const whole = ys[0], parts = kinds.flatMap((kind, line) => (kind === 'stack' ? [ys[line * 3]] : []));
    const layers = [whole, ...parts].map(() => new Float64Array(x.length).fill(NaN));
    const end = Math.min(...parts.map((part) => endOf(whole, part, LATE_US / step_us)), x.length);
    for (let at = 0; at < end; at++) {
        let held = 0, told = false;
        for (const part of parts) {
            if (part[at] !== part[at]) continue;
            held += part[at];
            told = true;
        }
        if (!told || whole[at] !== whole[at]) continue;
        let top = layers[0][at] = Math.max(whole[at] - held, 0);
        parts.forEach((part, layer) => {
            if (part[at] === part[at]) layers[layer + 1][at] = top += part[at];
        });
    }
    return layers;
}

/** Where a part ends that is late, else the end of all. @param {Float64Array} whole @param {Float64Array} part @param {number} late columns */
function endOf(whole, part, late) {
    let newest = whole.length, last = part.length;
    while (newest && whole[newest - 1] !== whole[newest - 1]) newest--;
    while (last && part[last - 1] !== part[last - 1]) last--;
    return last && last < newest && newest - last <= late ? last : part.length;
}

/** @param {UPlot} u @param {PlotColumns} columns @param {LineKind[]} kinds */
export function drawStack(u, columns, kinds) {
    if (!kinds.includes('stack')) return;
    const {ctx, bbox} = u, {x, step_us} = columns, half = step_us / 2e6;
    const toX = placing(u, 'x'), toY = placing(u, 'y'), seam = devicePixelRatio;
    const below = new Float64Array(x.length);
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    layersOf(columns, kinds).forEach((tops, layer) => {
        ctx.fillStyle = layer === 1 ? ink().model1 : layer === 2 ? ink().model2 : ink().other;
        for (let at = 0; at < x.length; at++) {
            const value = tops[at];
            if (value !== value) continue;
            const left = Math.round(toX(x[at] - half)), top = Math.round(toY(value)), bottom = Math.round(toY(below[at]));
            below[at] = value;
            // A hairline of the ground between layers, where there is room for one.
            const height = bottom - top - (layer && bottom - top > 2 * seam ? seam : 0);
            if (height > 0) ctx.fillRect(left, top, Math.max(Math.round(toX(x[at] + half)) - left, 1), height);
        }
    });
    ctx.restore();
}
