/** The energy band: its frame, words and evidence. The canvas is the worker's (workers/energy.js). */
import {LEVELS} from '../detail.js';
import {openDialog} from '../dialog.js';
import {attribute, el, hide, rows, text} from '../dom.js';
import {NONE, clock, signed} from '../format.js';
import {FULL_TPS} from '../scale.js';
import {EvidenceTip, laneSentence, laneWords, profileOf} from './energy-words.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').EnergyFigures} EnergyFigures */

const COLOURS = {
    bg: '--energy-bg', grid: '--energy-grid', text: '--energy-text', text2: '--energy-text-2', text3: '--energy-text-3',
    lightning: '--energy-lightning', core: '--energy-text', dot: '--energy-dot', stall: '--energy-stall', charging: '--energy-charging', chargingText: '--energy-charging-text',
    inStep: '--energy-in-step', opposed: '--energy-opposed', opposedText: '--energy-opposed-text',
};
const LEGEND = [
    ['ribbon', `width: 0 to ${FULL_TPS} tok/s`], ['spark', 'a token arrives'], ['dots', dotWords(1)],
    ['glow', 'glow: E'], ['core', 'light: token speed'], ['hollow', 'a stall'], ['in-step', 'in step'], ['opposed', 'opposed'], ['steps', 'charging'],
];
const ANNOUNCE_MS = 3000, ANNOUNCE_E = 0.2;

/** @param {number} per tokens a dot stands for */
function dotWords(per) { return per > 1 ? `1 dot = ${per} tokens, height: entropy` : 'dot: a token, height: entropy'; }

/** How much of all models' energy is drawn, where that is not all; '' while none is. @param {number} fidelity */
function shareWords(fidelity) { return fidelity < 0.95 ? `${(100 * fidelity).toFixed(0)} % of all drawn` : ''; }

function readInk() {
    const style = getComputedStyle(document.documentElement);
    const value = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const ink = Object.fromEntries(Object.entries(COLOURS).map(([name, property]) => [name, value(property)]));
    return {...ink, streams: [value('--energy-stream-1'), value('--energy-stream-2')], font: `400 11px ${value('--font')}`};
}

/** Whether a runtime or a token has told of a model. @param {Context} context */
export const modelHeard = ({bridge}) => bridge.latest.keys.some(({source}) => source.startsWith('model:'));

export default {
    id: 'energy', area: 'energy', title: 'Energy',
    /** Before a model has answered it says how one comes here. @param {Context} context */
    shown: (context) => modelHeard(context) || context.bridge.latest.has('system.cpu.percent'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const {bridge, state, motion} = context;
        const legend = el('ul', {class: 'energy-legend', 'aria-label': 'What is drawn'}, ...LEGEND.map(([kind, words]) => el('li', {}, el('span', {class: `key ${kind}`, 'aria-hidden': 'true'}), el('span', {}, words))), el('li', {class: 'detail', hidden: true}, el('span'), el('button', {class: 'plain', type: 'button', on: {click: () => context.frames?.choose(0)}}, 'Draw all')));
        const canvas = el('canvas', {role: 'img', 'aria-label': 'Energy: waiting for tokens', tabindex: '0'});
        const labels = el('ul', {class: 'lanes', 'aria-label': 'Models'});
        const more = el('p', {class: 'more-lanes', hidden: true}), said = el('p', {class: 'hidden', role: 'status'});
        const cross = el('span', {class: 'evidence-mark', hidden: true});
        const empty = el('p', {class: 'no-model', hidden: true});
        /** @param {number} lanes */
        const tellNone = (lanes) => {
            const heard = modelHeard(context);
            host.classList.toggle('empty', !heard);
            hide(empty, lanes > 0);
            text(empty, `${heard ? 'No model runs now.' : 'No model has answered yet.'} Start one; it appears by itself.`);
        };
        if (!modelHeard(context)) tellNone(0);
        const table = el('button', {class: 'as-table', type: 'button', on: {click: () => bridge.send({type: 'energy', ask: 'table'})}}, 'View Energy as table');
        host.append(el('header', {}, el('h2', {}, 'Energy'), legend), labels, el('div', {class: 'band'}, canvas, cross, empty), more, said, table);

        const tip = new EvidenceTip(context, canvas, cross);
        const band = /** @type {HTMLElement} */ (canvas.parentElement);
        if (canvas.transferControlToOffscreen) {
            const off = canvas.transferControlToOffscreen();
            bridge.send({type: 'energy', ask: 'canvas', canvas: off, ink: readInk()}, [off]);
        } else {
            canvas.hidden = true;
            band.append(el('p', {class: 'no-canvas'}, 'This browser lends no canvas to a worker, so nothing is drawn here. The words and numbers beside, and the table, tell the same.'));
        }
        const fit = () => bridge.send({type: 'energy', ask: 'size', width: band.clientWidth, height: band.clientHeight, ratio: devicePixelRatio});
        new ResizeObserver(fit).observe(band);
        const reduce = () => bridge.send({type: 'energy', ask: 'reduced', reduced: motion.still});
        motion.addEventListener('change', reduce);
        reduce();

        /** @type {EnergyFigures|null} */
        let figures = null;
        let announced_ms = -Infinity;
        /** @type {Map<string, number>} */
        const announcedE = new Map();
        const label = () => {
            if (!figures) return;
            const {lanes, more: hidden, fidelity} = figures, share = shareWords(fidelity);
            attribute(canvas, 'aria-label', ['Energy.', ...lanes.map((lane) => laneSentence(lane, context)), lanes.length ? '' : 'No model has answered yet.', hidden ? `${hidden} more without a lane${share && `: ${share}`}.` : ''].filter(Boolean).join(' '));
        };
        /** Changes of E that matter, politely, one in three seconds at most. */
        const announce = () => {
            if (!figures || performance.now() - announced_ms < ANNOUNCE_MS) return;
            for (const {model} of figures.lanes) {
                const energy = bridge.latest.one('model.energy', `model:${model}`), before = announcedE.get(model) ?? 0;
                if (Math.abs(energy - before) < ANNOUNCE_E || energy !== energy) continue;
                announcedE.set(model, energy);
                announced_ms = performance.now();
                return text(said, `${model}: energy ${energy.toFixed(2)}`);
            }
        };
        bridge.on('energy', (/** @type {EnergyFigures} */ now) => {
            figures = now;
            host.classList.toggle('many', now.lanes.length > 2);
            tellNone(now.lanes.length);
            rows(labels, now.lanes, () => laneRow(tip), (row, lane) => {
                const words = laneWords(lane, context);
                row.style.top = `${lane.middle}px`;
                text(row.children[0], lane.model);
                attribute(row.children[0], 'aria-label', laneSentence(lane, context));
                attribute(row.children[0], 'title', lane.model);
                text(row.children[1], words.about);
                attribute(row.children[1], 'title', words.about);
                text(row.children[2], words.state);
                attribute(row.children[2], 'class', `lane-state ${lane.state}`);
                const badge = /** @type {HTMLElement} */ (row.children[3]);
                hide(badge, !lane.bursts);
            });
            tellLegend(legend, now, context);
            hide(more, !now.more && !now.left_out);
            text(more, [now.more ? `${now.more} more, ${now.more_busy ? `${now.more_busy} of them less busy` : 'quiet'}` : '', now.left_out ? `${now.left_out} tokens not shown: more came than a frame holds` : ''].filter(Boolean).join(', '));
            context.frames?.tellEnergy(now);
            announce();
        });
        canvas.addEventListener('focus', label);
        setInterval(() => { if (!state.paused) label(); }, 10_000);
        bridge.on('series', label);
        bridge.on('energy-table', ({lines}) => openDialog('Energy as table', tableOf(lines)));
        bridge.on('energy-evidence', (found) => tip.show(found));
    },
};

/**
 * What the legend says of now: how many tokens a dot is, the limit of a stall and the profile where all lanes have the
 * same, marks of pairs where there are any, and the level of detail where it is not the full one.
 * @param {HTMLElement} legend @param {EnergyFigures} figures @param {Context} context
 */
function tellLegend(legend, {lanes, more, fidelity, per_dot, level, joined, still}, context) {
    const item = (/** @type {string} */ kind) => /** @type {HTMLElement} */ (legend.querySelector(`.${kind}`)?.closest('li'));
    text(/** @type {Element} */ (item('dots').lastElementChild), dotWords(per_dot));
    const stalls = new Set(lanes.map(({stall_limit_ms}) => stall_limit_ms)), profiles = new Set(lanes.map(({model}) => profileOf(model, context).name));
    text(/** @type {Element} */ (item('hollow').lastElementChild), stalls.size === 1 ? `stall > ${[...stalls][0].toFixed(0)} ms` : 'a stall');
    text(/** @type {Element} */ (item('glow').lastElementChild), ['glow: E', profiles.size === 1 ? [...profiles][0] : '', more ? shareWords(fidelity) : ''].filter(Boolean).join(', '));
    hide(item('in-step'), !joined);
    hide(item('opposed'), !joined);
    legend.classList.toggle('still', still);
    const detail = item('detail');
    hide(detail, !level && !still);
    hide(/** @type {HTMLElement} */ (detail.lastElementChild), !level);
    text(/** @type {Element} */ (detail.firstElementChild), [still ? `bars: tok/s of ${FULL_TPS}, and E of 1` : '', level ? `detail ${LEVELS[level].name}: ${level === 2 ? 'the page has no time for motion' : 'fewer marks, the page is busy'}` : ''].filter(Boolean).join('; '));
}

/**
 * A lane's name is a button: focus or touch shows its newest token's evidence, with what is a burst. Its badge tells that
 * to pointer and touch: a target of its own has no room beside the name.
 * @param {EvidenceTip} tip
 */
function laneRow(tip) {
    const name = el('button', {type: 'button', class: 'lane-name'}), badge = el('span', {class: 'lane-badge', hidden: true}, 'burst');
    const row = el('li', {}, name, el('span', {class: 'lane-about'}), el('span', {class: 'lane-state'}), badge);
    const ask = (/** @type {boolean} */ burst) => tip.ask({lane: [...(row.parentElement?.children ?? [])].indexOf(row), burst});
    name.addEventListener('focus', () => ask(false));
    name.addEventListener('click', () => ask(false));
    badge.addEventListener('pointerenter', () => ask(true));
    badge.addEventListener('click', () => ask(true));
    badge.addEventListener('pointerleave', ({pointerType}) => { if (pointerType === 'mouse') tip.hide(); });
    return row;
}

/** @param {{time_us: number, model: string, tokens: number, energy: number, bits: number, stalls: number, r: number, r_with: string}[]} lines */
function tableOf(lines) {
    const heads = ['second', 'model', 'tokens', 'E at its end', 'mean entropy, bits', 'stalls', 'r with another model'];
    const say = (/** @type {number} */ value) => (value === value ? value.toFixed(2) : 'not measured');
    return el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Energy'},
        el('table', {class: 'list'}, el('caption', {class: 'quiet'}, 'The last minute, one row a second in which tokens came'),
            el('thead', {}, el('tr', {}, ...heads.map((head, at) => el('th', {scope: 'col', class: at > 1 ? 'right' : ''}, head)))),
            el('tbody', {}, ...lines.map((line) => el('tr', {}, el('th', {scope: 'row'}, clock(line.time_us)), el('td', {}, line.model),
                ...[String(line.tokens), say(line.energy), say(line.bits), line.stalls ? String(line.stalls) : NONE, line.r === line.r ? `${signed(line.r)} ${line.r_with}`.trim() : NONE].map((one) => el('td', {class: 'right'}, one)))))));
}
