/** What the energy band says in words: beside a lane, as its alternative text, and as the evidence for a mark. */
import {el, text} from '../dom.js';
import {NONE, millis, signed} from '../format.js';
import {FULL_TPS} from '../scale.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').LaneFigures} LaneFigures */

const SATURATED = 4;
const ASK_EACH_MS = 100;
/** Of an arrow key on the canvas. */
const STEP_PX = 8;

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
    const burst = lane.bursts ? `, a burst: more than ${lane.burst_tps.toFixed(0)}` : '';
    const together = lane.r === lane.r ? `, ${togetherWords(lane.r, lane.r_with)}` : '';
    return `${lane.model}: ${state}, ${rate}${burst}${merged}, energy ${energy === energy ? energy.toFixed(2) : 'not measured'}${together}.`;
}

/** @param {number} r @param {string} other the other model, '' where it is not told which */
function togetherWords(r, other) { return `${r > 0 ? 'in step with' : 'opposed to'} ${other || 'another model'}, r ${signed(r)}`; }

/**
 * One text for each kind of mark (workers/energy-evidence.js).
 * @param {any} found @param {string} profile in words @returns {{title: string, rest: string[], metric: string}}
 */
export function evidenceWords(found, profile) {
    const energy = found.energy >= 0 ? `E ${found.energy.toFixed(2)}` : 'E not measured here';
    const of = (/** @type {string} */ metric) => `${metric} [model:${found.model}]`;
    switch (found.kind) {
        case 'ripple': return {
            title: `${togetherWords(found.r, found.other)}, ${millis(found.age_ms)} old`,
            rest: [
                `how the rates of ${found.model} and ${found.other || 'another model'} went together over 10 s; told above 0.7, where it is not chance (p < 0.01)`,
                found.other ? '' : 'no other lane tells this r: with which model is not known',
            ].filter(Boolean),
            metric: `${of('model.interference')}${found.other && (found.named ? ` [other=${found.other}]` : ` [model:${found.other}]`)}`,
        };
        case 'rate': return {title: rateTitle(found), rest: [`tokens of the last second; the bar is full at ${FULL_TPS}`], metric: of('model.tps')};
        case 'burst': return {
            title: rateTitle(found), metric: of('model.tps'),
            rest: [`${found.tps > found.burst_tps ? 'a burst: more than' : 'no burst: not more than'} ${found.burst_tps.toFixed(0)}, 0.6 of what ${profile} takes for the most`],
        };
        case 'energy': return {
            title: found.energy >= 0 ? `${energy}, ${millis(found.age_ms)} old` : 'E not measured now', rest: [`by ${profile}; the bar is full at 1`], metric: of('model.energy'),
        };
        case 'strip': return {
            title: found.energy >= 0 ? `${found.model}: ${energy}, ${millis(found.age_ms)} old` : `${found.model}: E not measured here`,
            rest: [`by ${profile}, as bright as in a lane; the busiest four have one`], metric: of('model.energy'),
        };
        case 'stall': return {
            title: `stall ${millis(found.stall_ms)}, ${since(found.age_ms)}`, rest: [`no token for longer than ${millis(found.stall_limit_ms)}, the limit of ${profile}`, energy], metric: of('model.token_interval_ms'),
        };
        case 'charging': return {title: `charging ${seconds(found.waiting_ms)}, ${since(found.age_ms)}`, rest: ['since the prompt was sent, until the first token', energy], metric: of('model.ttft_ms')};
        case 'nothing': return {title: `no token here, ${millis(found.age_ms)} ago`, rest: [energy], metric: of('model.energy')};
        default: return tokenWords(found, profile, energy);
    }
}

/** Since when something is over. @param {number} age_ms */
const since = (age_ms) => (age_ms > 0 ? `${millis(age_ms)} ago` : 'goes on');

/** @param {any} found */
function rateTitle({tps, state, last_tps, age_ms}) {
    if (tps === tps) return `${tps.toFixed(1)} tok/s, ${millis(age_ms)} old`;
    return last_tps === last_tps ? `no rate now: ${state}; last ${last_tps.toFixed(1)} tok/s, ${millis(age_ms)} ago` : `no rate now: ${state}`;
}

/** @param {any} found @param {string} profile in words @param {string} energy in words */
function tokenWords(found, profile, energy) {
    const age = `${millis(found.age_ms)} old`, measured = found.certainty === found.certainty;
    const entropy = found.bits === found.bits
        ? `entropy ${found.bits.toFixed(2)} bits${found.low_bits === found.low_bits ? ` (${found.low_bits.toFixed(2)} to ${found.high_bits.toFixed(2)})` : ''}`
        : 'entropy not measured: no probabilities came with this token';
    return {
        title: measured ? `certainty ${found.certainty.toFixed(2)}, ${age}` : `one token, ${age}`,
        rest: [
            measured ? '' : 'certainty not measured', entropy,
            `${found.gap_ms === found.gap_ms ? `gap ${millis(found.gap_ms)}` : 'the first token'}, ${energy} by ${profile}`,
            `${found.tps.toFixed(0)} tok/s, ${found.tps > found.burst_tps ? 'a burst: more than' : 'no burst: not more than'} ${found.burst_tps.toFixed(0)}`,
        ].filter(Boolean),
        metric: `${measured ? 'model.certainty' : 'model.token_interval_ms'} [model:${found.model}]`,
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
        this.asked_ms = this.asking = 0;
        this.key = {x: NaN, y: NaN};
        const {ask, hide} = this;
        // Where the pointer comes to rest is asked too, however soon after the point before.
        canvas.addEventListener('pointermove', ({offsetX, offsetY}) => {
            clearTimeout(this.asking);
            const wait_ms = this.asked_ms + ASK_EACH_MS - performance.now();
            if (wait_ms <= 0) ask({x: offsetX, y: offsetY});
            else this.asking = setTimeout(() => ask({x: offsetX, y: offsetY}), wait_ms);
        });
        canvas.addEventListener('pointerdown', ({offsetX, offsetY}) => ask({x: offsetX, y: offsetY}));
        canvas.addEventListener('pointerleave', ({pointerType}) => { if (pointerType === 'mouse') hide(); });
        canvas.addEventListener('keydown', (event) => {
            const step = {ArrowLeft: [-STEP_PX, 0], ArrowRight: [STEP_PX, 0], ArrowUp: [0, -STEP_PX], ArrowDown: [0, STEP_PX]}[event.key];
            if (event.key === 'Escape') return hide();
            if (!step) return;
            event.preventDefault();
            event.stopPropagation();
            const {clientWidth: width, clientHeight: height} = canvas, {key} = this;
            const within = (/** @type {number} */ at, /** @type {number} */ end) => Math.min(Math.max(at, 0), end - 1);
            this.key = {x: within((key.x === key.x ? key.x : width) + step[0], width), y: within((key.y === key.y ? key.y : height / 4) + step[1], height)};
            ask(this.key);
        });
        canvas.addEventListener('blur', hide);
        document.addEventListener('focusin', ({target}) => {
            if (target !== canvas && !(target instanceof HTMLElement && target.classList.contains('lane-name'))) hide();
        });
    }

    /** @param {import('../workers/energy-evidence.js').Asked} what */
    ask = (what) => {
        this.wanted = true;
        this.asked_ms = performance.now();
        this.context.bridge.send({type: 'energy', ask: 'evidence', ...what});
    };

    hide = () => {
        this.wanted = false;
        this.root.hidden = this.cross.hidden = true;
        clearTimeout(this.asking);
    };

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
