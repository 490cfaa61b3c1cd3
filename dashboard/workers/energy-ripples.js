/**
 * Which lanes go together (CONTRACTS §3), and the ripple that says so: each lane with the one it has the strongest r
 * with; where that one has no lane, it stands alone. Rows of before each r had its `other` do not tell with which: of
 * them two lanes that tell the same r are a pair.
 */
import {signed} from '../format.js';
import {energyAt} from './energy-shapes.js';

/** @typedef {import('./energy-shapes.js').Box} Box */
/** @typedef {import('./energy-rows.js').Beside} Beside */
/** @typedef {{one: number, other: number, name: string, r: number}} Together numbers of lanes; other −1: it has none; its name, '' where it is not told */
/** @typedef {Together & {x: number, y: number, after: boolean}} Ripple where it stands, px, and on which side its words do */

/** Half of its side, and of what a finger finds. */
const REACH = 13, TOUCH = 16;
/** A ripple of one lane stands over its ribbon, beside those between lanes. */
const ABOVE = 24, BESIDE = 40;
/** Of the width: so far is a second pair from the first. */
const APART = 1 / 6;

/** The strongest r that holds at a moment, with whom, and its rows; NaN: none. @param {Beside[]} told @param {number} time_us */
export function strongest(told, time_us) {
    let best = {r: NaN, other: '', rows: /** @type {import('./energy-shapes.js').Rows|null} */ (null)};
    for (const {other, rows} of told) {
        const r = energyAt(rows, time_us);
        if (r === r && !(Math.abs(r) <= Math.abs(best.r))) best = {r, other, rows};
    }
    return best;
}

/** @param {{model: string, r: number, other: string}[]} told of each lane its strongest @returns {Together[]} */
export function pairs(told) {
    /** @type {Together[]} */
    const found = [];
    told.forEach(({r, other: name}, one) => {
        if (r !== r) return;
        const other = told.findIndex((its, at) => (name ? its.model === name : at > one && !its.other && its.r === r));
        if (found.some((pair) => pair.other === one && (!name || pair.one === other))) return;
        found.push({one, other, name, r});
    });
    return found;
}

/** @param {{lane: {model: string}, box: Box, interference: Beside[]}[]} shown lanes @param {number} now_us @returns {Ripple[]} */
export function ripples(shown, now_us) {
    let column = 0;
    return pairs(shown.map(({lane, interference}) => ({model: lane.model, ...strongest(interference, now_us)}))).map((pair) => {
        const {box} = shown[pair.one], other = shown[pair.other]?.box, middle = (box.left + box.right) / 2;
        if (!other) return {...pair, x: middle + BESIDE, y: box.middle - ABOVE, after: true};
        const x = middle + APART * (box.right - box.left) * column++;
        return {...pair, x, y: (box.middle + other.middle) / 2, after: column > 1};
    });
}

/** The one under a finger or pointer. @param {Ripple[]} all @param {number} x @param {number} y */
export const rippleAt = (all, x, y) => all.find((one) => Math.abs(one.x - x) <= TOUCH && Math.abs(one.y - y) <= TOUCH);

/** Joined to both lanes, between them; it has no motion of its own. @param {import('./energy-paint.js').Painter} painter @param {Ripple} ripple @param {{box: Box}[]} shown */
export function drawRipple(painter, {one, other, r, x, y, after}, shown) {
    const {pen, ink} = painter, alone = other < 0;
    pen.strokeStyle = pen.fillStyle = r > 0 ? ink.inStep : ink.opposed;
    pen.lineWidth = 1;
    if (!alone) {
        pen.beginPath();
        pen.moveTo(x, shown[one].box.middle + 8);
        pen.lineTo(x, y - REACH - 1);
        pen.moveTo(x, y + REACH + 1);
        pen.lineTo(x, shown[other].box.middle - 8);
        pen.stroke();
    }
    for (const reach of alone ? [9] : [9, REACH]) {
        pen.beginPath();
        if (r > 0) pen.arc(x, y, reach, 0, 2 * Math.PI);
        else pen.rect(x - reach, y - reach, 2 * reach, 2 * reach);
        pen.stroke();
    }
    pen.beginPath();
    if (r > 0) pen.arc(x, y, 4.5, 0, 2 * Math.PI);
    else pen.rect(x - 4.5, y - 4.5, 9, 9);
    pen.fill();
    painter.labelBeside(`${r > 0 ? 'in step' : 'opposed'}, r ${signed(r)}`, x, REACH + 6, after, y + 4, r > 0 ? ink.inStep : ink.opposedText);
}
