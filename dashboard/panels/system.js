/**
 * The shape that all panels of the machine share: title and scale, the number now, its line with a strip
 * below, and what the strip is. A panel file says which series, which scale and which words.
 */
import {Chart} from '../chart.js';
import {attribute, el, hide, rows, text} from '../dom.js';
import {NONE, clock, join, span} from '../format.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').PlotSpec} PlotSpec */
/** @typedef {import('../types').PlotColumns} PlotColumns */
/** @typedef {import('../format.js').Figure} Figure */

/**
 * @typedef {object} SystemPanel
 * @property {string} id
 * @property {string} title
 * @property {PlotSpec['lines']} lines
 * @property {import('../types').LineKind[]} kinds
 * @property {PlotSpec['heat']} [heat]
 * @property {string} metric whose age is watched
 * @property {string[]} subjects beginnings of the metrics whose spikes are marked here
 * @property {(context: Context) => Figure} figure the number now
 * @property {(context: Context) => string[]} note beside the number: the first always, the others where there is room
 * @property {boolean} [steps] the scale has no capacity to go by, and says so
 * @property {(value: number) => Figure} format any value of the main line
 * @property {(context: Context, highest: number) => number} max full scale of the main line
 * @property {(max: number, context: Context) => string} scaleText
 * @property {(context: Context, highest: number) => number} [stripMax]
 * @property {(context: Context) => string} [stripText] left foot: what the strip is, and its value
 * @property {(max: number) => string} [stripScale] right foot, after "0 "
 * @property {string[]} names of the lines, for the table
 * @property {(context: Context) => import('./vram-words.js').Key[]} [keys] in place of the foot's words, where there are any: a colour, whose it is and how much
 * @property {(keys: import('./vram-words.js').Key[]) => {kind: string, share: number}[]} [shares] the strip is a bar of now: parts of the whole, from the left
 * @property {(context: Context) => boolean} [reline] sets `lines`, `kinds` and `names` anew where they have changed, and says so
 */

/** @param {Float64Array} values */
export function highest(values) {
    let most = NaN;
    for (const value of values) if (!(value <= most) && value === value) most = value;
    return most;
}

/** @param {HTMLElement} host @param {Context} context @param {SystemPanel} panel */
export function mountSystem(host, context, panel) {
    const {bridge, state, events} = context;
    const scale = el('span', {class: 'quiet scale'}), steps = el('span', {class: 'quiet more'}, panel.steps ? ', steps 1-2-5' : '');
    const pick = el('button', {class: 'title-button', type: 'button', 'aria-pressed': 'false', on: {click: () => context.focus(panel.id)}}, panel.title);
    const number = el('b', {}, NONE), unit = el('span', {class: 'unit'}), note = el('span'), more = el('span', {class: 'more'});
    const plot = el('div', {class: 'plot', role: 'img', tabindex: '0', 'aria-label': `${panel.title}: waiting for the first values`});
    // The words beside it say the same.
    const bar = panel.shares ? el('div', {class: 'share-bar', 'aria-hidden': 'true'}, el('div')) : null;
    const footLeft = el('span', {class: 'quiet'}), footRight = el('span', {}, panel.stripScale ? '' : '−60 s to now');
    const zero = el('span', {class: 'more'}, '0 ');
    const foot = el('span', {class: 'quiet'}, panel.stripScale ? zero : null, footRight);
    const table = el('button', {class: 'as-table', type: 'button', on: {click: () => context.table(panel.id)}}, `View ${panel.title} as table`);
    host.append(
        el('header', {class: 'ends'}, el('h2', {}, pick), el('span', {class: 'scale-and-steps'}, scale, steps)),
        el('div', {class: 'ends figure'}, el('p', {class: 'tile'}, number, unit), el('span', {class: 'quiet note'}, note, more)),
        plot, ...(bar ? [bar] : []), el('footer', {class: 'ends'}, footLeft, foot), table,
    );
    const chart = new Chart(plot, {
        lines: panel.kinds, strip: panel.heat ? 'heat' : panel.kinds.includes('strip') ? 'line' : 'none', state,
        onMark: (mark, at) => context.showMark(mark, plot, at.left),
    });
    let max = 1, stripMax = 1;

    const words = () => {
        const {latest} = bridge;
        const stale_s = state.drawn.live ? latest.stale_s(panel.metric, bridge.now_us()) : 0;
        const now = panel.figure(context);
        text(number, now.number);
        text(unit, `${now.unit}${state.drawn.live || state.paused ? '' : ' now'}`);
        number.classList.toggle('dim', stale_s > 0);
        const [first, ...rest] = stale_s > 0 ? [`${span(stale_s)} old`] : panel.note(context);
        text(note, first ?? '');
        text(more, rest.map((one) => `, ${one}`).join(''));
        if (panel.stripText) text(footLeft, panel.stripText(context));
        if (!panel.keys) return;
        const keys = panel.keys(context);
        rows(footLeft, keys, () => el('span', {}, el('span', {class: 'stack-name'}), el('span')), (node, {name, short, size, kind}) => {
            attribute(node, 'class', `stack-key ${kind}`);
            attribute(node, 'title', name === short ? null : name);
            text(node.children[0], short);
            text(node.children[1], `\u00a0${size}`);
        });
        if (bar) rows(/** @type {HTMLElement} */ (bar.firstElementChild), panel.shares?.(keys) ?? [], () => el('span'), (part, {kind, share}) => {
            attribute(part, 'class', kind);
            // CSSOM writes a style anew, and asks for it anew, even where it stays what it was.
            const width = `${(100 * share).toFixed(1)}%`;
            if (part.dataset.width !== width) part.style.width = part.dataset.width = width;
        });
    };
    const scales = () => {
        const at = state.cursor_us === state.cursor_us ? chart.valuesAt(state.cursor_us) : null;
        const value = at?.[0];
        scale.classList.toggle('reading', state.cursor_us === state.cursor_us);
        hide(steps, state.cursor_us === state.cursor_us);
        if (state.cursor_us === state.cursor_us) text(scale, `${clock(state.cursor_us)}  ${value === null || value === undefined ? 'not seen' : join(panel.format(value))}`);
        else text(scale, panel.scaleText(max, context));
        text(footRight, panel.stripScale ? panel.stripScale(stripMax) : context.rangeText());
        hide(zero, !footRight.textContent);
        // The keys need the whole foot; the time is that of the panels beside it.
        if (panel.keys) hide(foot, footLeft.childElementCount > 0);
    };
    const label = () => attribute(plot, 'aria-label', `${panel.title}: ${join(panel.figure(context))}, scale ${panel.scaleText(max, context)}. ${panel.note(context).join(', ')}. ${panel.stripText?.(context) ?? ''}${panel.keys?.(context).map(({name, size}) => `${name} ${size}`).join(', ') ?? ''}`);

    bridge.on('columns', ({columns}) => {
        if (columns.id !== panel.id || columns.ys.length !== panel.lines.length * 3) return;
        const strip = panel.kinds.indexOf('strip');
        max = panel.max(context, highest(columns.ys[2]));
        stripMax = strip >= 0 && panel.stripMax ? panel.stripMax(context, highest(columns.ys[strip * 3 + 2])) : 1;
        chart.marks = events.marks(panel.subjects);
        chart.draw(columns, max, stripMax);
        host.classList.remove('failed');
    });
    bridge.on('history-error', ({id, reason}) => {
        if (id !== panel.id) return;
        host.classList.add('failed');
        text(note, reason);
        text(more, '');
    });
    bridge.on('latest', () => {
        if (state.paused) return;
        if (panel.reline?.(context)) reline();
        words();
        scales();
    });
    bridge.on('series', () => { if (!state.paused) { words(); label(); } });
    state.addEventListener('cursor', scales);
    state.addEventListener('view', scales);
    state.addEventListener('event', () => chart.mark(events.marks(panel.subjects)));
    events.addEventListener('change', () => chart.mark(events.marks(panel.subjects)));
    context.onFocus((id) => {
        attribute(pick, 'aria-pressed', String(id === panel.id));
        host.classList.toggle('chosen', id === panel.id);
    });
    plot.addEventListener('focus', label);
    plot.addEventListener('dblclick', () => state.zoomOut());
    setInterval(() => { if (!state.paused) label(); }, 10_000);
    text(scale, panel.scaleText(1, context) || '');

    const spec = () => bridge.send({type: 'plot', spec: {
        id: panel.id, lines: panel.lines, heat: panel.heat, columns: Math.max(60, Math.round(plot.clientWidth / 1.5)),
    }});
    const reline = () => {
        chart.reline(panel.kinds);
        spec();
        if (context.focused === panel.id) context.focus(panel.id);
    };
    new ResizeObserver(spec).observe(plot);
    context.describe(panel.id, {panel, chart, scales: () => ({max, stripMax})});
}
