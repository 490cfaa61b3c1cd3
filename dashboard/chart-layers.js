/** What is under the lines of a plot: grid, gaps, heat. Drawn on uPlot's own canvas. */
import {hatch, ink} from './ink.js';

/** @typedef {import('./vendor/uplot/uPlot.js')} UPlot */
/** @typedef {import('./types').PlotColumns} PlotColumns */

/** @param {UPlot} u @param {number} time_us @param {number} origin_s */
export function xOf(u, time_us, origin_s) {
    return u.valToPos(time_us / 1e6 - origin_s, 'x', true);
}

/**
 * Two grid lines, zero and half, and the strip's zero; then the hatch over what nobody saw.
 * @param {UPlot} u @param {PlotColumns} columns @param {{mainShare: number, stripShare: number, max: number}} shape
 */
export function drawUnder(u, columns, {mainShare, stripShare, max}) {
    const {ctx, bbox} = u;
    const ratio = devicePixelRatio;
    ctx.save();
    ctx.lineWidth = ratio;
    ctx.strokeStyle = ink().lineSoft;
    const line = (/** @type {number} */ y) => {
        const at = Math.round(y) - ratio / 2;
        ctx.beginPath();
        ctx.moveTo(bbox.left, at);
        ctx.lineTo(bbox.left + bbox.width, at);
        ctx.stroke();
    };
    line(u.valToPos(max / 2, 'y', true));
    ctx.strokeStyle = ink().line;
    line(u.valToPos(0, 'y', true));
    if (stripShare > 0) line(bbox.top + bbox.height);
    ctx.fillStyle = hatch(ctx, ratio);
    for (const [from, to] of columns.gaps) {
        const left = Math.max(xOf(u, from, columns.origin_s), bbox.left);
        const right = Math.min(xOf(u, to, columns.origin_s), bbox.left + bbox.width);
        if (right <= left) continue;
        // However short it was, it is seen.
        const wide = Math.max(right - left, 2 * ratio);
        ctx.fillRect(left, bbox.top, wide, bbox.height * mainShare);
        if (stripShare > 0) ctx.fillRect(left, bbox.top + bbox.height * (1 - stripShare), wide, bbox.height * stripShare);
    }
    ctx.restore();
}

/** The time of the chosen request. @param {UPlot} u @param {PlotColumns} columns @param {[number, number]|null} time_us */
export function drawShade(u, columns, time_us) {
    if (!time_us) return;
    const {ctx, bbox} = u;
    const left = Math.max(xOf(u, time_us[0], columns.origin_s), bbox.left), right = Math.min(xOf(u, time_us[1], columns.origin_s), bbox.left + bbox.width);
    if (right <= left) return;
    ctx.save();
    ctx.fillStyle = ink().shade;
    ctx.fillRect(left, bbox.top, Math.max(right - left, devicePixelRatio), bbox.height);
    ctx.restore();
}

/** @type {HTMLCanvasElement|null} */
let heatTile = null;
/** Colour of each cell value as a pixel, and for which ink. */
const shades = new Uint32Array(256);
let shadesOf = '';

/** 0 to 200 dark to plot colour, 255 (nothing measured) clear. @param {string} colour */
function heatShades(colour) {
    if (shadesOf === colour) return shades;
    shadesOf = colour;
    const bytes = new Uint8ClampedArray(shades.buffer), [red, green, blue] = channels(colour);
    for (let cell = 0; cell < 256; cell++) bytes.set([red, green, blue, cell === 255 ? 0 : 14 + cell * 1.2], cell * 4);
    return shades;
}

/** One row a core, dark to plot colour. @param {UPlot} u @param {PlotColumns} columns @param {number} stripShare */
export function drawHeat(u, columns, stripShare) {
    const {heat} = columns;
    if (!heat?.rows) return;
    heatTile ??= document.createElement('canvas');
    if (heatTile.width < heat.columns || heatTile.height < heat.rows) {
        heatTile.width = Math.max(heatTile.width, heat.columns);
        heatTile.height = Math.max(heatTile.height, heat.rows);
    }
    const pen = /** @type {CanvasRenderingContext2D} */ (heatTile.getContext('2d', {willReadFrequently: true}));
    const image = pen.createImageData(heat.columns, heat.rows);
    const pixels = new Uint32Array(image.data.buffer), colours = heatShades(ink().plot);
    for (let at = 0; at < heat.cells.length; at++) pixels[at] = colours[heat.cells[at]];
    pen.putImageData(image, 0, 0);
    const {ctx, bbox} = u;
    const left = xOf(u, columns.x[0] * 1e6 + columns.origin_s * 1e6 - columns.step_us / 2, columns.origin_s);
    const width = (heat.columns * columns.step_us / 1e6) * (bbox.width / (/** @type {number} */ (u.scales.x.max) - /** @type {number} */ (u.scales.x.min)));
    const height = Math.round(bbox.height * stripShare), top = bbox.top + bbox.height - height;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, top, bbox.width, height);
    ctx.clip();
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(heatTile, 0, 0, heat.columns, heat.rows, left, top, width, height);
    ctx.fillStyle = ink().bg;
    for (let row = 1; row < heat.rows && heat.rows <= 16; row++) ctx.fillRect(bbox.left, Math.round(top + (row * height) / heat.rows), bbox.width, devicePixelRatio);
    ctx.restore();
}

/** @param {string} hex #rrggbb */
function channels(hex) {
    const value = parseInt(hex.slice(1), 16);
    return [(value >> 16) & 255, (value >> 8) & 255, value & 255];
}
