/** The chosen panel of the machine, drawn large, with its axes. */
import {Chart} from '../chart.js';
import {LEVELS} from '../detail.js';
import {attribute, el, text} from '../dom.js';
import {clock, join, trimmed} from '../format.js';

/** @typedef {import('../context.js').Context} Context */

export default {
    id: 'focus', area: 'main', title: 'Chosen chart',
    /** @param {Context} context */
    shown: (context) => context.described.size > 0,
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const {bridge, state, events} = context;
        const title = el('h2'), reading = el('span', {class: 'quiet reading'}), lines = el('span', {class: 'quiet legend'});
        const table = el('button', {class: 'plain', type: 'button', on: {click: () => context.table(context.focused)}}, 'View as table');
        const plot = el('div', {class: 'plot large', role: 'img', tabindex: '0', 'aria-label': 'chosen chart'});
        const rate = rateControl(context);
        host.append(el('header', {class: 'ends'}, el('div', {class: 'together'}, title, lines), el('div', {class: 'together'}, reading, rate, table)), plot);
        /** @type {Chart|null} */
        let chart = null;

        const size = () => Math.max(120, Math.round(plot.clientWidth / 1.5));
        const ask = () => {
            const found = context.described.get(context.focused);
            if (found) bridge.send({type: 'plot', spec: {id: 'focus', lines: found.panel.lines, heat: found.panel.heat, columns: size()}});
        };
        const marks = () => events.marks(context.described.get(context.focused)?.panel.subjects ?? []);
        context.onFocus((id) => {
            const found = context.described.get(id);
            if (!found) return;
            chart?.destroy();
            const {panel} = found;
            chart = new Chart(plot, {
                lines: panel.kinds, strip: panel.heat ? 'heat' : panel.kinds.includes('strip') ? 'line' : 'none', state,
                axis: (value) => join(trimmed(panel.format(value))), onMark: (mark, at) => context.showMark(mark, plot, at.left + 60),
            });
            text(title, panel.title);
            text(lines, legend(panel));
            attribute(plot, 'aria-label', `${panel.title} over ${context.rangeText()}, large`);
            ask();
        });
        bridge.on('columns', ({columns}) => {
            const found = context.described.get(context.focused);
            if (columns.id !== 'focus' || !chart || !found) return;
            if (columns.ys.length !== found.panel.lines.length * 3) return;
            const {max, stripMax} = found.scales();
            chart.marks = marks();
            chart.draw(columns, max, stripMax);
        });
        const read = () => {
            const found = context.described.get(context.focused);
            const at = state.cursor_us === state.cursor_us ? chart?.valuesAt(state.cursor_us) : null;
            if (!found || state.cursor_us !== state.cursor_us) return text(reading, '');
            const said = found.panel.lines.map(({metric}, line) => {
                const mean = at?.[line * 3], least = at?.[line * 3 + 1], most = at?.[line * 3 + 2];
                if (mean === null || mean === undefined) return '';
                const format = found.panel.kinds[line] === 'strip' || line > 0 ? context.figure(metric) : found.panel.format;
                const wide = least !== null && most !== null && least !== undefined && most !== undefined && most - least > Math.abs(mean) * 0.05;
                return `${found.panel.names[line]} ${join(format(mean))}${wide ? ` (${join(format(least))} to ${join(format(most))})` : ''}`;
            }).filter(Boolean).join(' · ');
            text(reading, `${clock(state.cursor_us)}  ${said || 'not seen'}`);
        };
        state.addEventListener('cursor', read);
        state.addEventListener('event', () => chart?.mark(marks()));
        events.addEventListener('change', () => chart?.mark(marks()));
        plot.addEventListener('dblclick', () => state.zoomOut());
        plot.addEventListener('pointerleave', () => { state.point(NaN); context.showMark(null, plot, 0); });
        new ResizeObserver(ask).observe(plot);
    },
};

/** WCAG 2.2.2: what moves by itself can be slowed by the person, not only by the machine. @param {Context} context */
function rateControl({frames}) {
    const select = el('select', {id: 'rate', 'aria-label': 'How often panels are redrawn'},
        el('option', {value: 'auto'}, 'as often as fits'), ...LEVELS.map(({hz}, level) => el('option', {value: String(level)}, hz === 2 ? 'twice a second' : `${hz} a second`)));
    select.addEventListener('change', () => frames?.choose(select.value === 'auto' ? 'auto' : Number(select.value)));
    const draw = () => { if (frames) select.value = frames.automatic ? 'auto' : String(frames.chosen); };
    frames?.addEventListener('rate', draw);
    draw();
    return el('label', {class: 'quiet rate'}, 'redrawn ', select);
}

/** What each kind of line is, in words. @type {Record<import('../types').LineKind, (name: string) => string>} */
const SAID = {
    main: (name) => `line: ${name}, with least and greatest`,
    second: (name) => `dashed: ${name}`,
    strip: (name) => `below: ${name}`,
    stack: (name) => `layer: ${name}`,
};

/** @param {import('./system.js').SystemPanel} panel */
function legend(panel) {
    const said = panel.lines.map((_, at) => SAID[panel.kinds[at]](panel.names[at]));
    if (panel.heat) said.push('below: each thread');
    return said.join(' · ');
}
