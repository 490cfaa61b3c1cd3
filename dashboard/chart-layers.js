/** What is under and over the lines of a plot: grid, shade, gaps, heat, marks. Drawn on uPlot's own canvas. */
import {clock} from './format.js';
import {hatch, ink} from './ink.js';

/** @typedef {import('./vendor/uplot/uPlot.js')} UPlot */
/** @typedef {import('./types').PlotColumns} PlotColumns */

/**
 * @typedef {object} Mark something that happened, on the time axis
 * @property {string} id
 * @property {number} time_us
 * @property {'spike'|'event'} shape
 * @property {string} label
 * @property {boolean} chosen
 */

/** A label longer than this part of the plot would hide what it speaks of; the list below has it. */
const LABEL_SHARE = 0.4;
/** Half of the width that a chosen moment shades, s. */
const CHOSEN_S = 1;

/** @param {UPlot} u @param {number} time_us @param {number} origin_s */
function xOf(u, time_us, origin_s) {
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
        if (right - left < 2 * ratio) continue;
        ctx.fillRect(left, bbox.top, right - left, bbox.height * mainShare);
        if (stripShare > 0) ctx.fillRect(left, bbox.top + bbox.height * (1 - stripShare), right - left, bbox.height * stripShare);
    }
    ctx.restore();
}

/** @type {HTMLCanvasElement|null} */
let heatTile = null;

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
    const [red, green, blue] = channels(ink().plot);
    for (let at = 0; at < heat.cells.length; at++) {
        const cell = heat.cells[at];
        image.data[at * 4] = red;
        image.data[at * 4 + 1] = green;
        image.data[at * 4 + 2] = blue;
        image.data[at * 4 + 3] = cell === 255 ? 0 : 14 + cell * 1.2;
    }
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

/** ▲ and ◆ with a dotted line down; a label where there is room for all of it. @param {UPlot} u @param {PlotColumns} columns @param {Mark[]} marks @param {number} mainShare @param {boolean} labelled */
export function drawMarks(u, columns, marks, mainShare, labelled) {
    const {ctx, bbox} = u;
    const ratio = devicePixelRatio, size = 4.5 * ratio, foot = bbox.top + bbox.height * mainShare;
    ctx.save();
    ctx.font = ink().font.replace('11px', `${11 * ratio}px`);
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'left';
    let free = bbox.left;
    for (const mark of marks) {
        const x = xOf(u, mark.time_us, columns.origin_s);
        if (x < bbox.left || x > bbox.left + bbox.width) continue;
        const colour = mark.shape === 'spike' ? ink().warn : ink().event;
        if (mark.chosen) {
            const half = Math.max(xOf(u, mark.time_us + CHOSEN_S * 1e6, columns.origin_s) - x, 3 * ratio);
            ctx.fillStyle = mark.shape === 'spike' ? ink().warnShade : ink().shade;
            ctx.fillRect(x - half, bbox.top, 2 * half, bbox.height);
        }
        ctx.fillStyle = ctx.strokeStyle = colour;
        ctx.lineWidth = ratio;
        ctx.setLineDash([ratio, 2 * ratio]);
        ctx.beginPath();
        ctx.moveTo(Math.round(x) + ratio / 2, bbox.top + 2 * size);
        ctx.lineTo(Math.round(x) + ratio / 2, foot);
        ctx.stroke();
        ctx.setLineDash([]);
        const y = bbox.top + size + ratio;
        ctx.beginPath();
        ctx.moveTo(x, y - size);
        if (mark.shape === 'spike') {
            ctx.lineTo(x + size, y + size * 0.8);
            ctx.lineTo(x - size, y + size * 0.8);
        } else {
            ctx.lineTo(x + size, y);
            ctx.lineTo(x, y + size);
            ctx.lineTo(x - size, y);
        }
        ctx.fill();
        if (!labelled) continue;
        const label = mark.shape === 'spike' ? clock(mark.time_us) : mark.label;
        const width = ctx.measureText(label).width, space = size + 5 * ratio;
        const left = x - space - width >= free ? x - space - width : x + space;
        if (left >= free && left + width <= bbox.left + bbox.width && (width < bbox.width * LABEL_SHARE || mark.chosen)) {
            // A rim of the page's own colour keeps the words readable over a line.
            ctx.strokeStyle = ink().bg;
            ctx.lineWidth = 4 * ratio;
            ctx.lineJoin = 'round';
            ctx.strokeText(label, left, y);
            ctx.fillText(label, left, y);
            free = Math.max(left + width, x + space) + 4 * ratio;
        }
    }
    ctx.restore();
}
