/** What the energy band says in words: beside a lane, as its alternative text, and as the evidence for a mark. */
import {el, text} from '../dom.js';
import {NONE, millis} from '../format.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').LaneFigures} LaneFigures */

const SATURATED = 4;
const ASK_EACH_MS = 100;

/** Seconds as they are read beside a lane. @param {number} ms */
const seconds = (ms) => `${(ms / 1000).toFixed(1)}\u00a0s`;

/** What `make demo` calls its models: random weights that have learned nothing (demo/__main__.py). */
export const DEMO_MODELS = ['demo-small', 'demo-large'];
const DEMO = 'demo model';
/** The values of model.profile (CONTRACTS §2). */
const PROFILES = ['standard', 'lite', 'dual', 'studio', 'auto'];

/** Which profile a model's energy is measured against; '' until it is told. @param {string} model @param {Context} context */
export function profileOf(model, {bridge: {latest}}) {
    const number = latest.one('model.profile', `model:${model}`);
    const name = PROFILES[number] ?? '';
    return {name, words: name ? `profile ${name}` : 'the standard profile'};
}

/** Who runs a model; '' where neither a sampler nor the tap has told. @param {string} model @param {Context} context */
function runtimeOf(model, {bridge: {latest}, requests, facts}) {
    const told = facts.of(model, 'runtime');
    if (told) return told;
    const labels = latest.keys.filter(({source}) => source === `model:${model}`).flatMap((key) => key.labels);
    return labels.find(({name}) => name === 'runtime')?.value || requests.of(model).find(({runtime}) => runtime)?.runtime || '';
}

/** @param {LaneFigures} lane @param {Context} context */
export function laneWords(lane, context) {
    const {latest} = context.bridge;
    const about = [DEMO_MODELS.includes(lane.model) ? DEMO : '', runtimeOf(lane.model, context), context.facts.of(lane.model, 'quantisation')].filter(Boolean).join(', ');
    const state = {
        charging: `charging ${seconds(lane.waiting_ms)}`,
        flowing: latest.one('model.state', `model:${lane.model}`) === SATURATED ? 'saturated' : 'flowing',
        stalled: `stalled ${seconds(lane.stalled_ms)}`,
        quiet: 'quiet',
    }[lane.state];
    return {about, state};
}

/** @param {LaneFigures} lane @param {Context} context */
export function laneSentence(lane, context) {
    const energy = context.bridge.latest.one('model.energy', `model:${lane.model}`);
    const {state} = laneWords(lane, context);
    const rate = lane.tps === lane.tps ? `${lane.tps.toFixed(0)} tokens a second` : 'no tokens now';
    const merged = lane.per_spark > 1 ? `, each lightning is ×${lane.per_spark}` : '';
    return `${lane.model}: ${state}, ${rate}${merged}, energy ${energy === energy ? energy.toFixed(2) : 'not measured'}.`;
}

/** @param {any} found @param {string} profile in words @returns {{title: string, rest: string[], metric: string}} */
export function evidenceWords(found, profile) {
    const age = found.age_ms === found.age_ms ? `${millis(found.age_ms)} old` : '';
    const entropy = found.bits === found.bits
        ? `entropy ${found.bits.toFixed(2)} bits${found.low_bits === found.low_bits ? ` (${found.low_bits.toFixed(2)} to ${found.high_bits.toFixed(2)})` : ''}`
        : 'entropy not measured: no probabilities came with this token';
    const energy = found.energy === found.energy ? `E ${found.energy.toFixed(2)}` : 'E not measured here';
    if (found.stall_ms === found.stall_ms) {
        return {title: `stall ${millis(found.stall_ms)}`, rest: [`no token for longer than ${millis(found.stall_limit_ms)}, the limit of ${profile}`, energy], metric: `model.token_interval_ms [model:${found.model}]`};
    }
    if (found.waiting_ms === found.waiting_ms) {
        return {title: `charging ${seconds(found.waiting_ms)}`, rest: ['since the prompt was sent, until the first token', energy], metric: `model.ttft_ms [model:${found.model}]`};
    }
    if (found.time_us !== found.time_us) return {title: 'no token here', rest: [energy], metric: `model.energy [model:${found.model}]`};
    return {
        title: found.certainty === found.certainty ? `certainty ${found.certainty.toFixed(2)}, ${age}` : `one token, ${age}`,
        rest: [
            found.certainty === found.certainty ? '' : 'certainty not measured', entropy,
            `${found.gap_ms === found.gap_ms ? `gap ${millis(found.gap_ms)}` : 'the first token'}, ${energy} by ${profile}`,
            `${found.tps.toFixed(0)} tok/s, ${found.tps > found.burst_tps ? 'a burst: more than' : 'no burst: not more than'} ${found.burst_tps.toFixed(0)}`,
        ].filter(Boolean),
        metric: `${found.certainty === found.certainty ? 'model.certainty' : 'model.token_interval_ms'} [model:${found.model}]`,
    };
}

/** The evidence beside a mark: by pointer, touch, or focus and the arrow keys. */
export class EvidenceTip {
    /** @param {Context} context @param {HTMLCanvasElement} canvas @param {HTMLElement} cross */
    constructor(context, canvas, cross) {
        this.context = context;
        this.canvas = canvas;
        this.cross = cross;
        this.title = el('strong');
        this.lines = el('div');
        this.metric = el('code');
        this.root = el('div', {class: 'tip energy-tip', role: 'status', hidden: true}, this.title, this.lines, this.metric);
        document.body.append(this.root);
        this.wanted = false;
        this.asked_ms = 0;
        this.key = NaN;
        const ask = (/** @type {object} */ what) => {
            this.wanted = true;
            this.asked_ms = performance.now();
            context.bridge.send({type: 'energy', ask: 'evidence', ...what});
        };
        const hide = () => { this.wanted = false; this.root.hidden = cross.hidden = true; };
        canvas.addEventListener('pointermove', ({offsetX, offsetY}) => { if (performance.now() - this.asked_ms > ASK_EACH_MS) ask({x: offsetX, y: offsetY}); });
        canvas.addEventListener('pointerdown', ({offsetX, offsetY}) => ask({x: offsetX, y: offsetY}));
        canvas.addEventListener('pointerleave', ({pointerType}) => { if (pointerType === 'mouse') hide(); });
        canvas.addEventListener('keydown', (event) => {
            const step = {ArrowLeft: -8, ArrowRight: 8}[event.key];
            if (event.key === 'Escape') return hide();
            if (!step) return;
            event.preventDefault();
            event.stopPropagation();
            this.key = Math.min(Math.max((this.key === this.key ? this.key : canvas.clientWidth) + step, 0), canvas.clientWidth - 1);
            ask({x: this.key, y: canvas.clientHeight / 4});
        });
        canvas.addEventListener('blur', hide);
        document.addEventListener('focusin', ({target}) => {
            if (target instanceof HTMLElement && target.classList.contains('lane-name')) this.wanted = true;
            else if (target !== canvas) hide();
        });
    }

    /** @param {any} found */
    show(found) {
        if (!this.wanted) return;
        const words = evidenceWords(found, profileOf(found.model, this.context).words), box = this.canvas.getBoundingClientRect();
        text(this.title, words.title || NONE);
        this.lines.replaceChildren(...words.rest.map((line) => el('p', {}, line)));
        text(this.metric, words.metric);
        this.root.hidden = this.cross.hidden = false;
        this.cross.style.left = `${found.x}px`;
        this.cross.style.top = `${found.y}px`;
        this.root.style.left = `${Math.max(8, Math.min(box.left + found.x - this.root.offsetWidth - 14, innerWidth - this.root.offsetWidth - 8))}px`;
        this.root.style.top = `${Math.max(8, Math.min(box.top + found.y + 14, innerHeight - this.root.offsetHeight - 8))}px`;
    }
}
