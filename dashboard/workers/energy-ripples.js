/**
 * Which lanes go together (CONTRACTS §3), and the ripple that says so. A model tells the strongest r that it has with
 * another, and not with which: two that tell the same r are a pair; one whose other is stronger with a third, or has
 * no lane, stands alone.
 */
import {signed} from '../format.js';
import {energyAt} from './energy-shapes.js';

/** @typedef {import('./energy-shapes.js').Box} Box */
/** @typedef {{one: number, other: number, r: number, x: number, y: number, after: boolean}} Ripple numbers of lanes; other −1: not told which; where it stands, px, and on which side its words do */

/** Half of its side, and of what a finger finds. */
const REACH = 13, TOUCH = 16;
/** A ripple of one lane stands over its ribbon, beside those between lanes. */
const ABOVE = 24, BESIDE = 40;
/** Of the width: so far is a second pair from the first. */
const APART = 1 / 6;

/** @param {number[]} told r of each lane, NaN: none @returns {{one: number, other: number, r: number}[]} */
export function pairs(told) {
    /** @type {{one: number, other: number, r: number}[]} */
    const found = [];
    told.forEach((r, one) => {
        if (r !== r || found.some(({other}) => other === one)) return;
        found.push({one, other: told.findIndex((its, at) => at > one && its === r), r});
    });
    return found;
}

/** @param {{box: Box, interference: import('./energy-shapes.js').Rows|null}[]} shown lanes @param {number} now_us @returns {Ripple[]} */
export function ripples(shown, now_us) {
    let column = 0;
    return pairs(shown.map(({interference}) => energyAt(interference, now_us))).map((pair) => {
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
