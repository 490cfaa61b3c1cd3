/**
 * The page's own frames: every chart is drawn in this one animation loop, so that what a frame costs can be
 * measured (script, layout and paint: from the start of the callback to the task after the frame), and sent once a
 * second as the samples of `ui:dashboard`.
 */
import {DetailLevel, LEVELS} from './detail.js';
import {SlotCounter, quantile} from './slots.js';

/** Of the last two seconds at 60 Hz, for the strip. */
const BARS = 120;
const MINUTE_S = 60;
const SHORT_EVENT_MS = 16;
const KEY = 'wfmon.detail';

/** How much is drawn, as the person chose it in this browser. @returns {'auto'|number} */
function remembered() {
    try {
        const level = Number(localStorage.getItem(KEY) ?? NaN);
        return LEVELS[level] ? level : 'auto';
    } catch {
        return 'auto';
    }
}

/** @param {'auto'|number} choice */
function remember(choice) {
    try {
        localStorage.setItem(KEY, String(choice));
    } catch {
        // Storage is switched off: the choice lasts as long as the page.
    }
}

export class FrameMeter extends EventTarget {
    /** @param {import('./bridge.js').Bridge} bridge @param {import('./motion.js').Motion} motion */
    constructor(bridge, motion) {
        super();
        this.bridge = bridge;
        this.counter = new SlotCounter();
        this.detail = new DetailLevel();
        const chosen = remembered();
        this.automatic = chosen === 'auto';
        this.chosen = chosen === 'auto' ? 0 : chosen;
        this.motion = motion;
        /** @type {{work_ms: number, slots: number}[]} */
        this.bars = [];
        /** @type {{slots: number, dropped: number}[]} one a second */
        this.minute = [];
        /** @type {number[]} */
        this.work_ms = [];
        /** @type {number[]} */
        this.intervals_ms = [];
        /** @type {number[]} */
        this.lags_ms = [];
        this.slots = 0;
        this.dropped = 0;
        this.figures = {fps: NaN, work_p95_ms: NaN, interval_ms: NaN, lag_ms: NaN};
        this.sentHz = NaN;
        this.newest_us = 0;
        this.last_ms = NaN;
        this.second_ms = NaN;
        this.began_ms = 0;
        this.input = observeInput();
        /** Of the energy band in this second: what it drew over what was computed; NaN: it drew nothing. */
        this.fidelity = NaN;
        /** Frames of the energy band in this second. @type {{work_ms: number[], slots: number, dropped: number}} */
        this.band = {work_ms: [], slots: 0, dropped: 0};
        this.sentLevel = NaN;
        this.after = new MessageChannel();
        this.after.port1.onmessage = () => this.ended();
        this.detail.open(performance.now() / 1000);
        document.addEventListener('visibilitychange', () => {
            this.last_ms = NaN;
            this.counter.pause();
            if (!document.hidden) this.detail.open(performance.now() / 1000);
        });
        motion.addEventListener('change', () => this.setRate());
        requestAnimationFrame(this.tick);
        this.setRate();
    }

    /** @type {FrameRequestCallback} */
    tick = (now_ms) => {
        requestAnimationFrame(this.tick);
        this.began_ms = performance.now();
        if (now_ms - this.last_ms > 0) {
            const before = this.counter.dropped_total;
            const slots = this.counter.frame(now_ms - this.last_ms);
            this.slots += slots;
            this.dropped += this.counter.dropped_total - before;
            this.intervals_ms.push(now_ms - this.last_ms);
            this.bars.push({work_ms: NaN, slots});
            if (this.bars.length > BARS) this.bars.shift();
        }
        this.last_ms = now_ms;
        const {drew, newest_us} = this.bridge.flush();
        this.newest_us = newest_us;
        if (this.second_ms !== this.second_ms) this.second_ms = now_ms;
        // The page's own figures change in a picture that is drawn anyway.
        if (now_ms - this.second_ms >= (drew ? 1000 : 1200)) this.endSecond(now_ms);
        this.after.port2.postMessage(0);
    };

    /** The frame is with the compositor. */
    ended() {
        const work_ms = performance.now() - this.began_ms;
        this.work_ms.push(work_ms);
        const bar = this.bars.at(-1);
        if (bar) bar.work_ms = work_ms;
        if (this.newest_us) this.lags_ms.push((this.bridge.now_us() - this.newest_us) / 1000);
        this.newest_us = 0;
    }

    /** @param {number} now_ms */
    endSecond(now_ms) {
        const seconds = (now_ms - this.second_ms) / 1000;
        // A hidden page stood still: that is no second of frames.
        if (seconds < 2 && this.intervals_ms.length) {
            this.figures = {
                fps: this.intervals_ms.length / seconds, work_p95_ms: quantile(this.work_ms, 0.95),
                interval_ms: quantile(this.intervals_ms, 0.5), lag_ms: quantile(this.lags_ms, 0.95),
            };
            this.minute = [...this.minute.slice(1 - MINUTE_S), {slots: this.slots, dropped: this.dropped}];
            this.report();
            this.judge(now_ms / 1000, seconds);
            this.setRate();
        }
        this.work_ms = [];
        this.intervals_ms = [];
        this.lags_ms = [];
        this.slots = this.dropped = 0;
        this.fidelity = NaN;
        this.band = {work_ms: [], slots: 0, dropped: 0};
        this.second_ms = now_ms;
        this.bridge.take({type: 'second'});
    }

    /** Fires `mitigation` where the level changes what is drawn. @param {number} now_s @param {number} lasted_s of what is judged */
    judge(now_s, lasted_s) {
        const before = this.detail.level, seen = this.worst;
        const after = this.detail.see(seen, now_s, lasted_s);
        if (after === before || !this.automatic) return;
        const missed_ratio = seen.slots ? seen.dropped / seen.slots : 0;
        this.dispatchEvent(new CustomEvent('mitigation', {detail: {before, after, missed_ratio, work_p95_ms: seen.work_p95_ms}}));
    }

    /** CONTRACTS §1, class ui. What was not measured in this second is left out. */
    report() {
        const {figures, counter} = this;
        const sample = {
            frame_interval_ms: figures.interval_ms, frame_time_ms: figures.work_p95_ms, fps: figures.fps,
            dropped_frames: counter.dropped_total, jank_ratio: this.slots ? this.dropped / this.slots : NaN,
            visual_lag_ms: figures.lag_ms, energy_fidelity: this.fidelity, ...this.input.take(),
        };
        this.bridge.send({type: 'ui', sample: Object.fromEntries(Object.entries(sample).filter(([, value]) => Number.isFinite(value)))});
    }

    /** The worker's canvas tells what it drew, how late tokens were on it, and its own frames. @param {import('./types').EnergyFigures} told */
    tellEnergy({fidelity, lag_ms, work_p95_ms, slots, dropped}) {
        this.fidelity = fidelity;
        if (lag_ms === lag_ms) this.lags_ms.push(lag_ms);
        if (work_p95_ms === work_p95_ms) this.band.work_ms.push(work_p95_ms);
        this.band.slots += slots;
        this.band.dropped += dropped;
    }

    /** The worse of the two threads that draw: either one's breach is the page's. */
    get worst() {
        const {band} = this, missed = this.slots ? this.dropped / this.slots : 0;
        const own = !(band.slots && band.dropped / band.slots > missed);
        return {
            work_p95_ms: Math.max(this.figures.work_p95_ms, ...band.work_ms), slot_ms: this.counter.slot_ms,
            dropped: own ? this.dropped : band.dropped, slots: own ? this.slots : band.slots,
        };
    }

    get level() { return this.automatic ? this.detail.level : this.chosen; }

    get hz() {
        const {hz} = LEVELS[this.level];
        return this.motion.still ? Math.min(hz, 2) : hz;
    }

    /** @param {'auto'|number} choice */
    choose(choice) {
        this.automatic = choice === 'auto';
        if (choice !== 'auto') this.chosen = choice;
        remember(choice);
        this.setRate();
        this.dispatchEvent(new Event('rate'));
    }

    setRate() {
        if (this.sentLevel !== this.level) {
            this.sentLevel = this.level;
            this.bridge.send({type: 'energy', ask: 'level', level: this.level});
        }
        if (this.sentHz === this.hz) return;
        this.sentHz = this.hz;
        this.bridge.send({type: 'rate', hz: this.hz});
        this.dispatchEvent(new Event('rate'));
    }

    /** Slots and drops of the last minute. */
    get lastMinute() {
        return this.minute.reduce((sum, one) => ({slots: sum.slots + one.slots, dropped: sum.dropped + one.dropped}), {slots: 0, dropped: 0});
    }
}

/** Interactions and long frames of the last second, where the browser tells. Event Timing hides what is shorter than 16 ms: that is then not said. */
function observeInput() {
    /** @type {{interaction: number[], delay: number[], paint: number[], long: number[]}} */
    let seen = {interaction: [], delay: [], paint: [], long: []};
    const watch = (/** @type {string} */ type, /** @type {any} */ options, /** @type {(entry: any) => void} */ take) => {
        if (!PerformanceObserver.supportedEntryTypes.includes(type)) return;
        new PerformanceObserver((list) => list.getEntries().forEach(take)).observe({type, ...options});
    };
    watch('event', {durationThreshold: SHORT_EVENT_MS}, (entry) => {
        if (!entry.interactionId) return;
        seen.interaction.push(entry.duration);
        seen.delay.push(entry.processingStart - entry.startTime);
        seen.paint.push(entry.startTime + entry.duration - entry.processingEnd);
    });
    watch('long-animation-frame', {}, (entry) => seen.long.push(entry.duration));
    return {
        take() {
            const {interaction, delay, paint, long} = seen;
            seen = {interaction: [], delay: [], paint: [], long: []};
            return {
                interaction_ms: quantile(interaction, 0.98), input_delay_ms: quantile(delay, 0.98),
                input_to_first_paint_ms: quantile(paint, 0.98), long_frame_ms: quantile(long, 1),
            };
        },
    };
}
