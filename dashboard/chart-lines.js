/**
 * The lines of a plot and their bands, drawn on uPlot's canvas by ourselves: a browser without a GPU fills one long jagged
 * path far more slowly than many short ones, and draws one of 1 px without filling (600 points over 1066 × 300 px,
 * Chromium 156: 1.5 px wide 26 ms as one stroke, 2.9 ms in strokes of 16, 0.9 ms as two of 1 px side by side; the band 18 ms
 * as one polygon, 0.5 ms as one rectangle a column).
 */
import {ink} from './ink.js';

/** @typedef {import('./vendor/uplot/uPlot.js')} UPlot */
/** @typedef {import('./types').PlotColumns} PlotColumns */

const STROKE_POINTS = 16;
const WIDTHS = {main: 1.5, second: 1.25, strip: 1.25};
const DASH = [4, 3];

/** @param {UPlot} u @param {PlotColumns} columns @param {import('./types').LineKind[]} kinds; a stack is chart-stack.js's */
export function drawLines(u, columns, kinds) {
    const {ctx, bbox} = u;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top - devicePixelRatio, bbox.width, bbox.height + 2 * devicePixelRatio);
    ctx.clip();
    kinds.forEach((kind, line) => {
        if (kind === 'stack') return;
        const toY = placing(u, kind === 'strip' ? 's' : 'y'), toX = placing(u, 'x');
        if (kind !== 'second') band(ctx, columns, line, toX, toY);
        stroke(ctx, columns, line, kind, toX, toY);
    });
    ctx.restore();
}

/** value → canvas pixel as one multiplication; uPlot's own call looks the scale up each time. @param {UPlot} u @param {string} scale @returns {(value: number) => number} */
export function placing(u, scale) {
    const at0 = u.valToPos(0, scale, true), perUnit = u.valToPos(1, scale, true) - at0;
    return (value) => at0 + value * perUnit;
}

/** From least to greatest, a rectangle a column, on whole pixels so that neighbours neither overlap nor leave a seam. @param {CanvasRenderingContext2D} pen @param {PlotColumns} columns @param {number} line @param {(value: number) => number} toX @param {(value: number) => number} toY */
function band(pen, {x, ys, step_us}, line, toX, toY) {
    const least = ys[line * 3 + 1], most = ys[line * 3 + 2], half = step_us / 2e6;
    pen.fillStyle = ink().band;
    for (let at = 0; at < x.length; at++) {
        const top = toY(most[at]), height = toY(least[at]) - top;
        // Less than a pixel is under the line already; NaN is not greater either.
        if (!(height > devicePixelRatio)) continue;
        const left = Math.round(toX(x[at] - half));
        pen.fillRect(left, top, Math.max(Math.round(toX(x[at] + half)) - left, devicePixelRatio), height);
    }
}

/** @param {CanvasRenderingContext2D} pen @param {PlotColumns} columns @param {number} line @param {'main'|'second'|'strip'} kind @param {(value: number) => number} toX @param {(value: number) => number} toY */
function stroke(pen, columns, line, kind, toX, toY) {
    const ratio = devicePixelRatio, width = WIDTHS[kind] * ratio;
    pen.strokeStyle = kind === 'second' ? ink().plot2 : ink().plot;
    pen.lineJoin = pen.lineCap = 'round';
    pen.setLineDash(kind === 'second' ? DASH.map((part) => part * ratio) : []);
    if (width < 2) {
        // One line of 1 px on whole pixels, where a level one has its full colour, and the rest of the width beside it.
        const onPixel = (/** @type {number} */ value) => Math.floor(toY(value)) + 0.5;
        pen.lineWidth = 1;
        for (const shift of [0, width - 1]) pieces(pen, columns, line, Infinity, (value) => toX(value) + shift, (value) => onPixel(value) + shift);
    } else {
        pen.lineWidth = width;
        pieces(pen, columns, line, STROKE_POINTS, toX, toY);
    }
    pen.setLineDash([]);
    pen.lineDashOffset = 0;
}

/** The means, in strokes of so many points at most; a gap breaks the line. @param {CanvasRenderingContext2D} pen @param {PlotColumns} columns @param {number} line @param {number} most @param {(value: number) => number} toX @param {(value: number) => number} toY */
function pieces(pen, {x, ys}, line, most, toX, toY) {
    const mean = ys[line * 3];
    let points = 0, walked = 0, beforeX = 0, beforeY = 0;
    for (let at = 0; at < x.length; at++) {
        const value = mean[at];
        if (value !== value) {
            if (points === 1) dot(pen, beforeX, beforeY);
            if (points) pen.stroke();
            points = 0;
            continue;
        }
        const px = toX(x[at]), py = toY(value);
        if (!points) {
            pen.beginPath();
            pen.moveTo(px, py);
        } else {
            pen.lineTo(px, py);
            if (most < Infinity) walked += Math.hypot(px - beforeX, py - beforeY);
        }
        points++;
        beforeX = px;
        beforeY = py;
        if (points > most) {
            pen.stroke();
            pen.beginPath();
            pen.moveTo(px, py);
            pen.lineDashOffset = walked;
            points = 1;
        }
    }
    if (points === 1) dot(pen, beforeX, beforeY);
    if (points) pen.stroke();
}

/** A value alone between two gaps. @param {CanvasRenderingContext2D} pen @param {number} x @param {number} y */
function dot(pen, x, y) { pen.lineTo(x + 0.01, y); }
