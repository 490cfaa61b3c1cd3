/** Shapes of the energy band onto its canvas (LOOK "Energy"). Knows colours and pens, and nothing of time. */
import {PULSE_PX, pulses} from './energy-core.js';
import {TEXT_EACH_US, drawWords} from './energy-notes.js';
import {SPAN_US, SPARK_FILL, dots, glow, ribbons, sparkShare, steps, strokes} from './energy-shapes.js';

/** @typedef {import('./energy-lane.js').Lane} Lane */
/** @typedef {import('./energy-shapes.js').Box} Box */
/** @typedef {import('./energy-shapes.js').Rows} Rows */
/** @typedef {{bg: string, grid: string, text: string, text2: string, text3: string, lightning: string, core: string, streams: string[], dot: string, stall: string, charging: string, chargingText: string, inStep: string, opposed: string, opposedText: string, font: string}} EnergyInk */

/** Half the height that a glow has; only its brightness follows E. */
const GLOW_REACH = 26;
const GLOW_MOST = 0.9;
/** How far a stroke's curve is drawn to its middle; with it a stroke covers SPARK_FILL of its box. */
const LENS = 0.12;
/** A step of E that the glow does not tell apart where it is coarse: two of the 230 that it has. */
const COARSE_STEP = 1 / 128;
const DOT = 1.25, COARSE_DOT = 1.1, CORE_PX = 1.5;
/** What is drawn at a level of detail (DASHBOARD): so many dots at most; where coarse, all marks are rects and the glow has fewer steps. */
export const DETAIL = [{dots: 1000, coarse: false}, {dots: 300, coarse: true}, {dots: 0, coarse: true}];

export class Painter {
    /** @param {OffscreenCanvas} canvas @param {EnergyInk} ink */
    constructor(canvas, ink) {
        this.canvas = canvas;
        this.pen = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext('2d', {alpha: false}));
        this.ink = ink;
        this.width = this.height = this.ratio = 1;
        this.detail = DETAIL[0];
        this.per_dot = 1;
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
            drawn += this.glow(glow(rows, now_us, box, this.detail.coarse ? COARSE_STEP : undefined), box, colour);
            for (const {points, hollow} of ribbons(lane, now_us, box)) this.ribbon(points, box.middle, colour, hollow);
            this.core(pulses(lane, now_us, box), box.middle);
            this.charge(lane, now_us, box);
            this.dots(lane, now_us, box);
            this.lightning(all[at], box.middle, share);
            drawWords(this, lane, now_us, box);
        });
        pen.globalAlpha = 1;
        return drawn;
    }

    /** @param {{x: number, width: number, energy: number}[]} cells @param {Box} box @param {string} colour */
    glow(cells, box, colour) {
        const {pen} = this, halo = this.halo(colour), top = box.middle - GLOW_REACH;
        return this.lit(cells, box, (x, width) => pen.drawImage(halo, x, top, width, 2 * GLOW_REACH));
    }

    /**
     * The glow of a model without a lane: flat, as bright as in a lane.
     * @param {{x: number, width: number, energy: number}[]} cells @param {Box} box @param {number} top @param {number} high px @param {number} at which of them
     */
    strip(cells, box, top, high, at) {
        const {pen, ink} = this;
        pen.fillStyle = ink.streams[at % ink.streams.length];
        return this.lit(cells, box, (x, width) => pen.fillRect(x, top, width, high));
    }

    /**
     * Cells as bright as their energy.
     * @param {{x: number, width: number, energy: number}[]} cells @param {Box} box @param {(x: number, width: number) => void} put
     * @returns {number} the energy that was drawn, s at full energy
     */
    lit(cells, box, put) {
        const {pen, ratio} = this, scale = (box.right - box.left) / SPAN_US * 1e6;
        // On whole pixels: of two cells that share one, each would light a part of it, and between them stood a dark line.
        const whole = (/** @type {number} */ x) => Math.round(x * ratio) / ratio;
        let drawn = 0;
        for (const {x, width, energy} of cells) {
            pen.globalAlpha = GLOW_MOST * energy;
            const left = whole(x);
            put(left, whole(x + width) - left);
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
        const {pen} = this, {coarse} = this.detail;
        pen.fillStyle = this.ink.dot;
        pen.beginPath();
        for (const {x, y} of dots(lane, now_us, box, this.per_dot)) {
            if (coarse) pen.rect(x - COARSE_DOT, y - COARSE_DOT, 2 * COARSE_DOT, 2 * COARSE_DOT);
            else { pen.moveTo(x + DOT, y); pen.arc(x, y, DOT, 0, 2 * Math.PI); }
        }
        pen.fill();
    }

    /** @param {{head: number, tail: number}[]} all @param {number} middle */
    core(all, middle) {
        const {pen} = this, {coarse} = this.detail;
        pen.fillStyle = this.ink.dot;
        for (const {head, tail} of all) {
            if (coarse) pen.fillRect(head - tail / 3, middle - CORE_PX / 2, tail / 3, CORE_PX);
            else pen.drawImage(this.comet(), PULSE_PX - tail, 0, tail, 1, head - tail, middle - CORE_PX, tail, 2 * CORE_PX);
        }
    }

    /** A pulse of the core, made once: brightest at its head. */
    comet() {
        let comet = this.halos.get('core');
        if (!comet) {
            comet = new OffscreenCanvas(PULSE_PX, 1);
            const pen = /** @type {OffscreenCanvasRenderingContext2D} */ (comet.getContext('2d'));
            const fade = pen.createLinearGradient(0, 0, PULSE_PX, 0);
            for (const [stop, alpha] of [[0, 0], [0.6, 90], [0.92, 255], [1, 255]]) fade.addColorStop(stop, `${this.ink.core}${alpha.toString(16).padStart(2, '0')}`);
            pen.fillStyle = fade;
            pen.fillRect(0, 0, PULSE_PX, 1);
            this.halos.set('core', comet);
        }
        return comet;
    }

    /** @param {{x: number, width: number, reach: number, alpha: number, tokens: number}[]} all newest first @param {number} middle @param {number} share */
    lightning(all, middle, share) {
        const {pen} = this, {coarse} = this.detail;
        pen.fillStyle = this.ink.lightning;
        for (const {x, width, reach, alpha} of all) {
            const half = width / 2, tall = reach * share;
            pen.globalAlpha = alpha;
            if (coarse) {
                pen.fillRect(x - width * SPARK_FILL / 2, middle - tall, width * SPARK_FILL, 2 * tall);
                continue;
            }
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

    /** Words so far before or after x. @param {string} text @param {number} x @param {number} apart @param {boolean} after @param {number} y @param {string} colour */
    labelBeside(text, x, apart, after, y, colour) {
        const away = apart + this.pen.measureText(text).width / 2;
        this.label(text, after ? x + away : x - away, y, colour);
    }

    /** @param {string} text @param {number} x @param {number} y @param {string} colour */
    label(text, x, y, colour) {
        const {pen} = this, half = pen.measureText(text).width / 2;
        pen.textAlign = 'center';
        pen.fillStyle = colour;
        pen.fillText(text, Math.min(Math.max(x, half + 2), this.width - half - 4), y);
    }
}
