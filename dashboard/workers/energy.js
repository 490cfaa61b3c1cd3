/**
 * The energy band's canvas, in the worker that has the tokens: drawn in the frame after they come, and standing still
 * when there are none (CONTRACTS §4). It tells the page twice: figures of each lane four times a second while one
 * moves, and the evidence for a point when it is asked.
 */
import {SlotCounter, quantile} from '../slots.js';
import {Lane} from './energy-lane.js';
import {drawStill} from './energy-notes.js';
import {DETAIL, Painter} from './energy-paint.js';
import {SPAN_US, boxes, energyAt, glows, inView, tokensPerDot} from './energy-shapes.js';
import {evidenceFor} from './energy-evidence.js';
import {drawRipple, ripples} from './energy-ripples.js';
import {ModelRows} from './energy-rows.js';
import {drawStrips, stripEvidence, stripsHeight} from './energy-strips.js';
import {lastMinute} from './energy-table.js';
import {company, fidelity, laneFigures} from './energy-told.js';

/** @typedef {import('../types').LiveFrame} LiveFrame */
/** @typedef {import('./energy-shapes.js').Rows} Rows */
/** @typedef {import('./energy-evidence.js').Shown} Shown */

const MOST_LANES = 4;
/** A model that answered lately keeps its lane; one whose runtime has gone and never did has none. */
const REMEMBERED_US = 600e6, TOLD_US = 10e6;
const TELL_MS = 250, STILL_MS = 500;
/** Tokens older than this when they come were not late on the way: the page was not there. */
const MOST_LAG_MS = 5000;

/** Chromium keeps what a name stood for when a worker first drew with it: this one no canvas asks for before it is there. */
const FONT = 'Inter of the band';
/** A worker has fonts of its own; until it is there (or where it is not) words stand in the system's. */
async function loadFont() {
    const font = new FontFace(FONT, `url(${new URL('../vendor/inter/inter-latin.woff2', import.meta.url)})`, {weight: '100 900'});
    /** @type {any} */ (self).fonts.add(await font.load());
}

/** Frames of a worker; where its browser has none for it, a timer as often. @param {FrameRequestCallback} callback @returns {number} */
const nextFrame = (callback) => ('requestAnimationFrame' in self ? requestAnimationFrame(callback) : setTimeout(() => callback(performance.now()), 16));

export class Energy {
    /** @param {import('./rings.js').Rings} rings @param {() => number} now_us @param {(message: any) => void} post */
    constructor(rings, now_us, post) {
        this.rings = rings;
        this.clock_us = now_us;
        this.post = post;
        /** @type {Map<string, Lane>} */
        this.lanes = new Map();
        /** @type {Painter|null} */
        this.painter = null;
        this.width = this.height = 1;
        this.reduced = false;
        this.level = 0;
        this.per_dot = 1;
        this.told = new ModelRows(rings);
        this.slots = new SlotCounter();
        this.frame_ms = NaN;
        this.fresh_slots = this.fresh_dropped = 0;
        /** @type {number[]} */
        this.work_ms = [];
        this.stopped_us = NaN;
        this.asked = 0;
        this.told_ms = this.drawn_ms = 0;
        this.seenVersion = -1;
        /** Arrival times of what is not drawn yet. @type {number[]} */
        this.fresh_us = [];
        /** @type {number[]} */
        this.lags_ms = [];
        this.leftOut = 0;
        this.resting = 0;
    }

    get now_us() { return this.stopped_us === this.stopped_us ? this.stopped_us : this.clock_us(); }

    /** @param {{canvas: OffscreenCanvas, ink: any}} message */
    show({canvas, ink}) {
        const painter = this.painter = new Painter(canvas, ink);
        painter.detail = DETAIL[this.level];
        const named = () => { painter.ink.font = ink.font.replace('px ', `px "${FONT}", `); };
        loadFont().then(named).then(() => this.drawAnew(), () => {});
        this.draw();
    }

    /** @param {{width: number, height: number, ratio: number}} message */
    size({width, height, ratio}) {
        this.width = width;
        this.height = height;
        this.painter?.size(width, height, ratio);
        this.draw();
    }

    /** @param {boolean} reduced no motion is wanted */
    reduce(reduced) {
        this.reduced = reduced;
        this.drawAnew();
    }

    /** @param {number} level of detail, 0 to 2 (dashboard/detail.js) */
    atLevel(level) {
        this.level = level;
        if (this.painter) this.painter.detail = DETAIL[level];
        this.drawAnew();
    }

    /** What counts as a stall and as a burst for a model, as the profile in force says (CONTRACTS §2); until it is told, the standard one. @param {Lane} lane */
    measureBy(lane) {
        const stall_ms = this.told.newest(lane.model, 'model.profile_stall_ms'), burst_tps = this.told.newest(lane.model, 'model.profile_burst_tps');
        if (stall_ms > 0) lane.stall_us = stall_ms * 1000;
        if (burst_tps > 0) lane.burst_tps = burst_tps;
    }

    /** Bars in place of motion: asked for, or the lowest level. */
    get still() { return this.reduced || this.level === DETAIL.length - 1; }

    /** A change of the way it is drawn waits for no beat of the still picture. */
    drawAnew() {
        this.drawn_ms = 0;
        clearTimeout(this.resting);
        this.resting = 0;
        this.draw();
    }

    /** Paused, or the line is lost: the picture stands where it was. @param {boolean} stop @param {number} [at_us] */
    hold(stop, at_us) {
        if (stop && this.stopped_us !== this.stopped_us) this.stopped_us = at_us ?? this.clock_us();
        if (!stop) this.stopped_us = NaN;
        this.draw();
    }

    /** @param {LiveFrame} frame */
    take(frame) {
        const now_us = this.clock_us();
        this.leftOut += frame.tokens_left_out ?? 0;
        for (const burst of frame.tokens ?? []) {
            const lane = this.lane(burst.model);
            lane.take(burst, Math.min(frame.time_us || now_us, now_us));
            for (const time_us of burst.times_us) this.fresh_us.push(time_us);
        }
        if (this.rings.version !== this.seenVersion) {
            this.seenVersion = this.rings.version;
            for (const {source} of this.rings.all) {
                const model = source.startsWith('model:') ? source.slice(6) : '';
                if (model && model !== '*') this.lane(model);
            }
        }
        if (frame.tokens?.length) this.draw();
    }

    /** @param {string} model */
    lane(model) {
        let lane = this.lanes.get(model);
        if (!lane) {
            lane = new Lane(model);
            this.measureBy(lane);
            this.lanes.set(model, lane);
        }
        return lane;
    }

    /** The busiest, in the order in which they were first heard of, and those that have no lane. */
    get parted() {
        const now_us = this.now_us;
        const all = [...this.lanes.values()].filter((lane) => this.here(lane, now_us));
        if (all.length <= MOST_LANES) return {lanes: all, others: []};
        const busy = (/** @type {Lane} */ lane) => lane.end - lane.after(now_us - SPAN_US) + (lane.waiting ? 1 : 0);
        const best = new Set([...all].sort((a, b) => busy(b) - busy(a)).slice(0, MOST_LANES));
        return {lanes: all.filter((lane) => best.has(lane)), others: all.filter((lane) => !best.has(lane))};
    }

    /** Its tokens were seen a while ago at most, or its runtime still tells of it. @param {Lane} lane @param {number} now_us */
    here(lane, now_us) {
        if (lane.waiting || now_us - lane.heard_us < REMEMBERED_US) return true;
        return this.rings.all.some(({source, newest_us, period_us}) => source === `model:${lane.model}` && now_us - newest_us < Math.max(3 * period_us, TOLD_US));
    }

    /** @param {Lane} lane @param {string} metric @returns {Rows|null} */
    rows(lane, metric) { return this.told.rows(lane.model, metric); }

    /** @param {Lane} lane */
    beside(lane) { return this.told.beside(lane.model, 'model.interference'); }

    /** Where everything stands; a strip is there while its glow is, and not among bars. @returns {{shown: Shown[], others: import('./energy-strips.js').Other[]}} */
    placed({lanes, others} = this.parted, now_us = this.now_us) {
        const strips = (this.still ? [] : others).map((lane) => ({lane, rows: this.rows(lane, 'model.energy')})).filter(({rows}) => glows(rows, now_us));
        const areas = boxes(lanes.length, this.width, this.height - stripsHeight(strips.length));
        const shown = lanes.map((lane, at) => ({lane, rows: this.rows(lane, 'model.energy'), interference: this.beside(lane), box: areas[at]}));
        return {shown, others: strips};
    }

    draw() {
        if (!this.asked && this.painter) this.asked = nextFrame(this.frame);
        if (!this.painter && !this.resting) this.resting = setTimeout(this.tellOnly, TELL_MS);
    }

    /** Where this browser lends no canvas to a worker, words and numbers come all the same. */
    tellOnly = () => {
        this.resting = 0;
        const now_us = this.now_us, parted = this.parted, {lanes, others} = parted;
        for (const lane of lanes) this.measureBy(lane);
        this.fresh_us = [];
        const {shown} = this.placed(parted, now_us);
        this.tell(performance.now(), {now_us, shown, without: others, together: ripples(shown, now_us), fidelity: NaN});
        if (this.moving([...lanes, ...others], now_us)) this.draw();
    };

    /** Whether a later picture is another one: something is in view, and the clock runs. @param {Lane[]} lanes @param {number} now_us */
    moving(lanes, now_us) {
        return this.stopped_us !== this.stopped_us && lanes.some((lane) => inView(lane, this.rows(lane, 'model.energy'), now_us));
    }

    /** @type {FrameRequestCallback} */
    frame = (frame_ms) => {
        this.asked = 0;
        const {painter} = this;
        if (!painter || painter.width < 2) return;
        const now_us = this.now_us, now_ms = performance.now();
        if (this.still && now_ms - this.drawn_ms < STILL_MS && this.drawn_ms) return this.rest(STILL_MS - (now_ms - this.drawn_ms));
        const parted = this.parted, {lanes} = parted;
        const moving = this.moving([...lanes, ...parted.others], now_us), telling = now_ms - this.told_ms >= TELL_MS || !moving;
        if (telling) for (const lane of lanes) this.measureBy(lane);
        const {shown, others} = this.placed(parted, now_us), together = ripples(shown, now_us);
        painter.begin();
        let drawn_s = NaN;
        if (this.still) drawStill(painter, shown.map(({lane, rows, box}) => ({box, tps: lane.rateNow(now_us), energy: energyAt(rows, now_us), state: lane.state(now_us)})));
        else drawn_s = this.drawMoving(painter, shown, now_us) + drawStrips(painter, others, now_us);
        for (const ripple of together) drawRipple(painter, ripple, shown);
        this.drawn_ms = now_ms;
        for (const time_us of this.fresh_us) {
            const lag_ms = (this.clock_us() - time_us) / 1000;
            if (lag_ms < MOST_LAG_MS) this.lags_ms.push(lag_ms);
        }
        this.fresh_us = [];
        this.count(frame_ms, performance.now() - now_ms);
        if (telling) {
            const all = [...this.lanes.values()].map((lane) => this.rows(lane, 'model.energy'));
            this.tell(now_ms, {now_us, shown, without: parted.others, together, fidelity: fidelity(drawn_s, all, now_us)});
        }
        this.frame_ms = moving && !this.still ? frame_ms : NaN;
        if (!moving) return;
        if (this.still) this.rest(STILL_MS);
        else this.draw();
    };

    /** @param {Painter} painter @param {Shown[]} shown @param {number} now_us @returns {number} the energy that was drawn, s at full energy */
    drawMoving(painter, shown, now_us) {
        const tokens = shown.reduce((sum, {lane}) => sum + lane.end - lane.after(now_us - SPAN_US), 0);
        this.per_dot = painter.per_dot = tokensPerDot(tokens, painter.detail.dots, this.per_dot);
        painter.axis();
        return painter.lanes(shown, now_us);
    }

    /** What a frame cost, and the slots since the one before where both moved. @param {number} frame_ms @param {number} work_ms */
    count(frame_ms, work_ms) {
        this.work_ms.push(work_ms);
        if (frame_ms - this.frame_ms > 0) {
            const slots = this.slots.frame(frame_ms - this.frame_ms);
            this.fresh_slots += slots;
            this.fresh_dropped += slots - 1;
        } else {
            this.slots.pause();
        }
    }

    /** @param {number} wait_ms */
    rest(wait_ms) {
        clearTimeout(this.resting);
        this.resting = setTimeout(() => this.draw(), wait_ms);
    }

    /** @param {number} now_ms @param {{now_us: number, shown: Shown[], without: Lane[], together: import('./energy-ripples.js').Ripple[], fidelity: number}} seen the picture of that moment; models without a lane */
    tell(now_ms, {now_us, shown, without, together, fidelity}) {
        this.told_ms = now_ms;
        const beside = company(shown.map(({lane}) => lane), together);
        this.post({
            type: 'energy', now_us, left_out: this.leftOut, fidelity,
            more: without.length, more_busy: without.filter((lane) => lane.state(now_us) !== 'quiet').length,
            lag_ms: quantile(this.lags_ms, 0.95), still: this.still, level: this.level, per_dot: this.per_dot, joined: together.length > 0,
            work_p95_ms: quantile(this.work_ms, 0.95), slots: this.fresh_slots, dropped: this.fresh_dropped,
            lanes: shown.map(({lane, box}, at) => ({...laneFigures(lane, box.middle, now_us), ...beside[at]})),
        });
        this.lags_ms = [];
        this.work_ms = [];
        this.fresh_slots = this.fresh_dropped = 0;
    }

    /** @param {import('./energy-evidence.js').Asked} asked */
    evidence(asked) {
        const now_us = this.now_us, {shown, others} = this.placed(), {x, y} = asked;
        const strip = x === undefined || y === undefined ? null : stripEvidence(others, x, y, this.width, this.height, now_us);
        const found = strip ?? evidenceFor(asked, shown, ripples(shown, now_us), now_us, this.still);
        if (found) this.post({type: 'energy-evidence', ...found});
    }

    /** The last minute as a table: a row a second and lane. */
    table() {
        this.post({type: 'energy-table', lines: lastMinute([...this.lanes.values()], this.now_us, (lane) => this.rows(lane, 'model.energy'), (lane) => this.beside(lane))});
    }
}
