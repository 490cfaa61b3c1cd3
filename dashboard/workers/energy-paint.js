/** Shapes of the energy band onto its canvas (LOOK "Energy"). Knows colours and pens, and nothing of time. */
import {SPAN_US, dots, ends, gapsOf, glow, ribbons, sparkShare, steps, strokes, xOf} from './energy-shapes.js';
import {endOf} from './energy-lane.js';

/** @typedef {import('./energy-lane.js').Lane} Lane */
/** @typedef {import('./energy-shapes.js').Box} Box */
/** @typedef {import('./energy-shapes.js').Rows} Rows */
/** @typedef {{bg: string, grid: string, text: string, text2: string, text3: string, lightning: string, streams: string[], dot: string, stall: string, charging: string, chargingText: string, inStep: string, opposed: string, opposedText: string, font: string}} EnergyInk */

/** Half the height that a glow has; only its brightness follows E. */
const GLOW_REACH = 26;
const GLOW_MOST = 0.9;
const TEXT_EACH_US = 250_000;
/** How far a stroke's curve is drawn to its middle; with it a stroke covers SPARK_FILL of its box. */
const LENS = 0.12;
const DOT = 1.25, SMALL_DOT = 1;
const MANY_DOTS = 1000;

export class Painter {
    /** @param {OffscreenCanvas} canvas @param {EnergyInk} ink */
    constructor(canvas, ink) {
        this.canvas = canvas;
        this.pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d', {alpha: false}));
        this.ink = ink;
        this.width = this.height = this.ratio = 1;
        /** @type {Map<string, OffscreenCanvas>} */
        this.halos = new Map();
    }

    /** @param {number} width @param {number} height CSS px @param {number} ratio */
    size(width, height, ratio) {
        this.width = width;
        this.height = height;
        this.ratio = ratio;
        this.canvas.width = Math.max(1, Math.round(width * ratio));
        this.canvas.height = Math.max(1, Math.round(height * ratio));
    }

    begin() {
        const {pen, ink, width, height} = this;
        pen.setTransform(this.ratio, 0, 0, this.ratio, 0, 0);
        pen.globalAlpha = 1;
        pen.fillStyle = ink.bg;
        pen.fillRect(0, 0, width, height);
        pen.font = ink.font;
        pen.textBaseline = 'alphabetic';
    }

    /** The axis: stands still, data move over it. */
    axis() {
        const {pen, ink, width, height} = this;
        const foot = height - 22, every = width < 480 ? 5 : 2;
        for (let second = 10; second >= 0; second -= every) {
            const x = Math.round((width - 1) * (1 - second / 10)) + 0.5;
            pen.strokeStyle = second ? ink.grid : ink.text3;
            pen.lineWidth = 1;
            pen.beginPath();
            pen.moveTo(x, 0);
            pen.lineTo(x, foot);
            pen.stroke();
            pen.fillStyle = second ? ink.text3 : ink.text;
            pen.textAlign = second === 10 ? 'left' : second ? 'center' : 'right';
            pen.fillText(second ? `−${second} s` : 'now', second === 10 ? 0 : second ? x : width, height - 6);
        }
    }

    /** A gradient made once a colour. @param {string} colour */
    halo(colour) {
        let halo = this.halos.get(colour);
        if (!halo) {
            halo = new OffscreenCanvas(1, 2 * GLOW_REACH);
            const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (halo.getContext('2d'));
            const fade = pen.createLinearGradient(0, 0, 0, 2 * GLOW_REACH);
            for (const [stop, alpha] of [[0, 0], [0.2, 14], [0.36, 70], [0.5, 255], [0.64, 70], [0.8, 14], [1, 0]]) fade.addColorStop(stop, `${colour}${alpha.toString(16).padStart(2, '0')}`);
            pen.fillStyle = fade;
            pen.fillRect(0, 0, 1, 2 * GLOW_REACH);
            this.halos.set(colour, halo);
        }
        return halo;
    }

    /**
     * All lanes as they are at a moment.
     * @param {{lane: Lane, rows: Rows|null, box: Box}[]} shown @param {number} now_us
     * @returns {number} the energy that was drawn, s at full energy
     */
    lanes(shown, now_us) {
        const {pen, ink} = this;
        let drawn = 0;
        const all = shown.map(({lane, box}) => strokes(lane, now_us, box));
        const share = sparkShare(all.flat());
        shown.forEach(({lane, rows, box}, at) => {
            const colour = ink.streams[at % ink.streams.length];
            drawn += this.glow(glow(rows, now_us, box), box, colour);
            for (const {points, hollow} of ribbons(lane, now_us, box)) this.ribbon(points, box.middle, colour, hollow);
            this.charge(lane, now_us, box);
            this.dots(lane, now_us, box);
            this.lightning(all[at], box.middle, share);
            this.words(lane, now_us, box);
        });
        pen.globalAlpha = 1;
        return drawn;
    }

    /** @param {{x: number, width: number, energy: number}[]} cells @param {Box} box @param {string} colour */
    glow(cells, box, colour) {
        const {pen} = this, halo = this.halo(colour), scale = (box.right - box.left) / SPAN_US * 1e6;
        let drawn = 0;
        for (const {x, width, energy} of cells) {
            pen.globalAlpha = GLOW_MOST * energy;
            pen.drawImage(halo, x, box.middle - GLOW_REACH, width, 2 * GLOW_REACH);
            drawn += (pen.globalAlpha / GLOW_MOST) * (width / scale);
        }
        pen.globalAlpha = 1;
        return drawn;
    }

    /** @param {{x: number, half: number}[]} points @param {number} middle @param {string} colour @param {boolean} hollow */
    ribbon(points, middle, colour, hollow) {
        const {pen} = this;
        pen.beginPath();
        points.forEach(({x, half}, at) => (at ? pen.lineTo(x, middle - half) : pen.moveTo(x, middle - half)));
        for (let at = points.length - 1; at >= 0; at--) pen.lineTo(points[at].x, middle + points[at].half);
        pen.closePath();
        if (hollow) {
            pen.fillStyle = this.ink.bg;
            pen.fill();
            pen.strokeStyle = colour;
            pen.lineWidth = 1;
            pen.stroke();
        } else {
            pen.fillStyle = colour;
            pen.fill();
        }
    }

    /** @param {Lane} lane @param {number} now_us @param {Box} box */
    charge(lane, now_us, box) {
        const {pen, ink} = this;
        for (const {bars, from, to, begin_us, to_us, over} of steps(lane, now_us, box)) {
            pen.fillStyle = ink.charging;
            for (const {x, width, half} of bars) pen.fillRect(x + 1, box.middle - half, width, 2 * half);
            if (from > 0) pen.fillRect(from - 0.5, box.middle - 10, 1.5, 20);
            const length_s = (over ? to_us - begin_us : Math.floor((to_us - begin_us) / TEXT_EACH_US) * TEXT_EACH_US) / 1e6;
            if (over && to - from < 40) continue;
            this.label(`${over ? 'waited' : 'waiting'} ${length_s.toFixed(1)} s`, (from + to) / 2, box.middle + 28, ink.chargingText);
        }
    }

    /** @param {Lane} lane @param {number} now_us @param {Box} box */
    dots(lane, now_us, box) {
        const {pen} = this, all = dots(lane, now_us, box), size = all.length > MANY_DOTS ? SMALL_DOT : DOT;
        pen.fillStyle = this.ink.dot;
        pen.beginPath();
        for (const {x, y} of all) {
            if (all.length > MANY_DOTS) pen.rect(x - size, y - size, 2 * size, 2 * size);
            else { pen.moveTo(x + size, y); pen.arc(x, y, size, 0, 2 * Math.PI); }
        }
        pen.fill();
    }

    /** @param {{x: number, width: number, reach: number, alpha: number, tokens: number}[]} all newest first @param {number} middle @param {number} share */
    lightning(all, middle, share) {
        const {pen} = this;
        pen.fillStyle = this.ink.lightning;
        for (const {x, width, reach, alpha} of all) {
            const half = width / 2, tall = reach * share;
            pen.globalAlpha = alpha;
            pen.beginPath();
            pen.moveTo(x, middle - tall);
            pen.quadraticCurveTo(x + LENS * half, middle - LENS * tall, x + half, middle);
            pen.quadraticCurveTo(x + LENS * half, middle + LENS * tall, x, middle + tall);
            pen.quadraticCurveTo(x - LENS * half, middle + LENS * tall, x - half, middle);
            pen.quadraticCurveTo(x - LENS * half, middle - LENS * tall, x, middle - tall);
            pen.fill();
        }
        pen.globalAlpha = 1;
        const merged = all[0]?.tokens > 1 ? all[0].tokens : 0;
        if (merged) this.label(`×${merged}`, this.width - 14, middle - 24, this.ink.lightning);
    }

    /** Brackets under gaps, "end", and what the dots would say. @param {Lane} lane @param {number} now_us @param {Box} box */
    words(lane, now_us, box) {
        const {pen, ink} = this, x = xOf(box, now_us);
        for (const gap of gapsOf(lane, now_us)) {
            const left = x(Math.max(gap.from_us, now_us - SPAN_US)), right = x(endOf(gap, now_us)), y = box.middle + 10;
            pen.strokeStyle = ink.stall;
            pen.lineWidth = 1.25;
            pen.beginPath();
            pen.moveTo(left + 0.5, y);
            pen.lineTo(left + 0.5, y + 5);
            pen.lineTo(right - 0.5, y + 5);
            pen.lineTo(right - 0.5, y);
            pen.stroke();
            const open = gap.to_us !== gap.to_us, length_us = endOf(gap, now_us) - gap.from_us;
            const shown_us = open ? Math.floor(length_us / TEXT_EACH_US) * TEXT_EACH_US : length_us;
            const length = shown_us >= 1e6 ? `${(shown_us / 1e6).toFixed(1)} s` : `${Math.round(shown_us / 1000)} ms`;
            this.label(`stall ${length}`, (left + right) / 2, y + 18, ink.stall);
        }
        for (const {x: at} of ends(lane, now_us, box)) this.label('end', at + 16, box.middle + 4, ink.text2);
        const first = lane.after(now_us - SPAN_US);
        if (first >= lane.end) return;
        const measured = lane.bits.subarray(first, lane.end).some((bits) => bits === bits);
        pen.textAlign = 'left';
        pen.fillStyle = ink.text3;
        pen.fillText(measured ? '6 bits' : 'entropy not measured', box.left + 6, measured ? box.top + 8 : box.middle - 16);
    }

    /** How two lanes went together over these ten seconds: joined to both, in its middle. It has no motion of its own. @param {Box} one @param {Box} other @param {number} r */
    ripple(one, other, r) {
        const {pen, ink} = this, x = (one.left + one.right) / 2, y = (one.middle + other.middle) / 2;
        pen.strokeStyle = pen.fillStyle = r > 0 ? ink.inStep : ink.opposed;
        pen.lineWidth = 1;
        pen.beginPath();
        pen.moveTo(x, one.middle + 8);
        pen.lineTo(x, y - 14);
        pen.moveTo(x, y + 14);
        pen.lineTo(x, other.middle - 8);
        pen.stroke();
        for (const reach of [9, 13]) {
            pen.beginPath();
            if (r > 0) pen.arc(x, y, reach, 0, 2 * Math.PI);
            else pen.rect(x - reach, y - reach, 2 * reach, 2 * reach);
            pen.stroke();
        }
        pen.beginPath();
        if (r > 0) pen.arc(x, y, 4.5, 0, 2 * Math.PI);
        else pen.rect(x - 4.5, y - 4.5, 9, 9);
        pen.fill();
        this.label(`${r > 0 ? 'in step' : 'opposed'}, r ${r.toFixed(2).replace('-', '−')}`, x - 62, y + 4, r > 0 ? ink.inStep : ink.opposedText);
    }

    /** @param {string} text @param {number} x @param {number} y @param {string} colour */
    label(text, x, y, colour) {
        const {pen} = this, half = pen.measureText(text).width / 2;
        pen.textAlign = 'center';
        pen.fillStyle = colour;
        pen.fillText(text, Math.min(Math.max(x, half + 2), this.width - half - 4), y);
    }

    /**
     * For those who asked for no motion: a bar for the rate and one for E, and their numbers.
     * @param {{box: Box, tps: number, energy: number, state: string}[]} all
     */
    still(all) {
        const {pen, ink} = this;
        all.forEach(({box, tps, energy, state}, at) => {
            const most = Math.max(40, box.right - box.left - 200), left = box.left + 8;
            const bar = (/** @type {number} */ y, /** @type {number} */ share, /** @type {string} */ words) => {
                pen.fillStyle = ink.grid;
                pen.fillRect(left, y - 4, most, 8);
                pen.fillStyle = ink.streams[at % ink.streams.length];
                if (share === share) pen.fillRect(left, y - 4, most * Math.min(share, 1), 8);
                pen.textAlign = 'left';
                pen.fillStyle = ink.text;
                pen.fillText(words, left + most + 12, y + 4);
            };
            bar(box.middle - 10, tps / 40, tps === tps ? `${tps.toFixed(1)} tok/s, of 40` : `– tok/s, ${state}`);
            bar(box.middle + 10, energy, energy === energy ? `E ${energy.toFixed(2)}, of 1` : 'E not measured');
        });
    }
}
