/** What happened, over the lines of a plot: ▲ for a spike, ◆ for anything else, a dotted line down, a label where it covers no line. */
import {besides, reachOf} from './chart-labels.js';
import {xOf} from './chart-layers.js';
import {placing} from './chart-lines.js';
import {clock} from './format.js';
import {ink} from './ink.js';

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
const SIZE = 4.5;
const LABEL_PX = 13;
/** A line is 1.5 px wide, and words beside it want a little air. */
const AIR_PX = 2;

/** @param {UPlot} u @param {PlotColumns} columns @param {Mark[]} marks by time @param {number} mainShare part of the height that the lines have @param {import('./types').LineKind[]} kinds of the lines */
export function drawMarks(u, columns, marks, mainShare, kinds) {
    const {ctx, bbox} = u;
    const ratio = devicePixelRatio, size = SIZE * ratio, right = bbox.left + bbox.width;
    const placed = together(marks.map((mark) => ({mark, x: xOf(u, mark.time_us, columns.origin_s), more: 0})).filter(({x}) => x >= bbox.left && x <= right), 2 * size);
    if (!placed.length) return;
    ctx.save();
    ctx.font = ink().font.replace('11px', `${11 * ratio}px`);
    ctx.textBaseline = 'middle';
    ctx.textAlign = 'left';
    ctx.lineJoin = 'round';
    const height = LABEL_PX * ratio, top = bbox.top + Math.max(0, size + ratio - height / 2), bottom = bbox.top + bbox.height * mainShare;
    const reach = reachOf(columns, kinds.map((kind) => kind === 'main' || kind === 'second'), placing(u, 'x'), placing(u, 'y'), AIR_PX * ratio);
    let free = bbox.left;
    placed.forEach(({mark, x, more}, at) => {
        const y = bbox.top + size + ratio;
        if (mark.chosen) {
            const half = Math.max(xOf(u, mark.time_us + CHOSEN_S * 1e6, columns.origin_s) - x, 3 * ratio);
            ctx.fillStyle = mark.shape === 'spike' ? ink().warnShade : ink().shade;
            ctx.fillRect(x - half, bbox.top, 2 * half, bbox.height);
        }
        ctx.fillStyle = ctx.strokeStyle = mark.shape === 'spike' ? ink().warn : ink().event;
        ctx.lineWidth = ratio;
        ctx.setLineDash([ratio, 2 * ratio]);
        ctx.beginPath();
        ctx.moveTo(Math.round(x) + ratio / 2, bbox.top + 2 * size);
        ctx.lineTo(Math.round(x) + ratio / 2, bbox.top + bbox.height * mainShare);
        ctx.stroke();
        ctx.setLineDash([]);
        drawShape(ctx, mark.shape, x, y, size);
        const label = `${mark.shape === 'spike' ? clock(mark.time_us) : mark.label}${more ? ` and ${more} more` : ''}`;
        const width = ctx.measureText(label).width, space = size + 5 * ratio;
        const room = {left: free, right: placed[at + 1] ? placed[at + 1].x - space : right, top, bottom};
        const place = width < bbox.width * LABEL_SHARE || mark.chosen ? besides({x, width, height, space}, room, reach) : null;
        free = x + space;
        if (!place) return;
        ctx.fillText(label, place.left, place.middle);
        free = Math.max(free, place.left + width + 4 * ratio);
    });
    ctx.restore();
}

/** Events that would overlap are one mark, the first's, and how many more; spikes and the chosen one always stand. @param {{mark: Mark, x: number, more: number}[]} placed @param {number} apart_px */
function together(placed, apart_px) {
    /** @type {typeof placed} */
    const kept = [];
    let head = null;
    for (const one of placed) {
        const plain = one.mark.shape === 'event' && !one.mark.chosen;
        if (plain && head && one.x - head.x < apart_px) {
            head.more++;
            continue;
        }
        kept.push(one);
        head = plain ? one : null;
    }
    return kept;
}

/** @param {CanvasRenderingContext2D} pen @param {Mark['shape']} shape @param {number} x @param {number} y @param {number} size */
function drawShape(pen, shape, x, y, size) {
    pen.beginPath();
    pen.moveTo(x, y - size);
    if (shape === 'spike') {
        pen.lineTo(x + size, y + size * 0.8);
        pen.lineTo(x - size, y + size * 0.8);
    } else {
        pen.lineTo(x + size, y);
        pen.lineTo(x, y + size);
        pen.lineTo(x - size, y);
    }
    pen.fill();
}
