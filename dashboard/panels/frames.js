/** The page watches itself: work a frame under the line of one slot, slots filled, drops, level of detail. */
import {LEVELS} from '../detail.js';
import {attribute, el, hide, text} from '../dom.js';
import {grouped} from '../format.js';
import {ink} from '../ink.js';

/** @typedef {import('../context.js').Context} Context */

export default {
    id: 'frames', area: 'foot', title: 'Frames',
    shown: () => true,
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const {frames, bridge} = context;
        if (!frames) return;
        const canvas = el('canvas', {class: 'frame-bars', role: 'img', 'aria-label': 'work of each frame in the last two seconds'});
        const line = el('span', {class: 'quiet limit'});
        const part = (/** @type {string} */ before = '') => {
            const value = el('b'), tail = el('span');
            return {root: el('span', {class: 'part'}, before, value, tail), value, tail};
        };
        const filled = part(), fps = part(), work = part('work p95 '), dropped = part(), detail = part('detail '), lag = part('lag '), conflated = part();
        host.append(el('h2', {class: 'strip-title'}, 'Frames, 2 s'), el('span', {class: 'bars-and-limit'}, canvas, line), filled.root, fps.root, work.root, dropped.root, lag.root, detail.root, conflated.root);
        const say = (/** @type {{value: Element, tail: Element}} */ one, /** @type {string} */ value, /** @type {string} */ tail) => { text(one.value, value); text(one.tail, tail); };
        const words = () => {
            const {slots, dropped: missed} = frames.lastMinute;
            const {fps: rate, work_p95_ms, lag_ms} = frames.figures;
            say(filled, slots ? `${(100 * (1 - missed / slots)).toFixed(1)} %` : '–', ' slots filled');
            say(fps, rate === rate ? rate.toFixed(1) : '–', ' fps');
            say(work, work_p95_ms === work_p95_ms ? `${work_p95_ms.toFixed(1)} ms` : '–', '');
            say(dropped, grouped(missed), ` of ${grouped(slots)} dropped in ${frames.minute.length} s`);
            say(lag, lag_ms === lag_ms ? `${lag_ms.toFixed(0)} ms` : '–', '');
            say(detail, LEVELS[frames.level].name, frames.automatic ? `, ${frames.hz} a second` : `, ${frames.hz} a second, set by you`);
            hide(conflated.root, !bridge.figures.conflated_total);
            say(conflated, grouped(bridge.figures.conflated_total), ' frames merged on the way');
            text(line, `${frames.counter.slot_ms === frames.counter.slot_ms ? frames.counter.slot_ms.toFixed(2) : '16.67'} ms`);
            attribute(canvas, 'aria-label', `work of each frame in the last two seconds: p95 ${work_p95_ms.toFixed(1)} ms`);
        };
        bridge.on('second', () => { if (!context.state.paused) words(); });
        frames.addEventListener('rate', words);
        const size = {width: 0, height: 0};
        new ResizeObserver(() => { Object.assign(size, {width: canvas.clientWidth, height: canvas.clientHeight}); }).observe(canvas);
        bridge.on('latest', () => { if (!context.state.paused) drawBars(canvas, size, frames); });
        words();
    },
};

/** One bar a frame, newest right; a dropped slot is an orange bar of full height. @param {HTMLCanvasElement} canvas @param {{width: number, height: number}} size CSS px @param {import('../frames.js').FrameMeter} frames */
function drawBars(canvas, size, frames) {
    const ratio = devicePixelRatio, width = Math.round(size.width * ratio), height = Math.round(size.height * ratio);
    if (canvas.width !== width || canvas.height !== height) { canvas.width = width; canvas.height = height; }
    const pen = canvas.getContext('2d');
    if (!pen || !width) return;
    pen.clearRect(0, 0, width, height);
    const limit = Number.isFinite(frames.counter.slot_ms) ? frames.counter.slot_ms : 16.67;
    const top = 4 * ratio, scale = (height - top) / limit, step = width / 120;
    pen.strokeStyle = ink().text3;
    pen.lineWidth = ratio;
    pen.setLineDash([3 * ratio, 3 * ratio]);
    pen.beginPath();
    pen.moveTo(0, top + ratio / 2);
    pen.lineTo(width, top + ratio / 2);
    pen.stroke();
    frames.bars.forEach(({work_ms, slots}, at) => {
        const x = width - (frames.bars.length - at) * step;
        const late = slots > 1 || work_ms > limit;
        const tall = late ? height : Math.max(ratio, (work_ms || 0) * scale);
        pen.fillStyle = late ? ink().warn : ink().plot2;
        pen.fillRect(x, height - tall, Math.max(step - ratio, ratio), tall);
    });
}
