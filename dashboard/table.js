/** Any chart as a table: what is drawn, in at most 60 rows. */
import {openDialog} from './dialog.js';
import {el} from './dom.js';
import {NONE, clock, join} from './format.js';

const MOST_ROWS = 60;

/** @param {import('./context.js').Context} context @param {string} id */
export function openTable(context, id) {
    const found = context.described.get(id);
    if (!found?.chart.columns) return;
    const {panel, chart} = found;
    const {x, ys, origin_s} = /** @type {import('./types').PlotColumns} */ (chart.columns);
    const measured = Array.from(x.keys()).filter((at) => ys.some((values) => values[at] === values[at])).reverse();
    const each = Math.max(1, Math.ceil(measured.length / MOST_ROWS));
    const formats = panel.lines.map(({metric}, line) => (line === 0 ? panel.format : context.figure(metric)));
    const say = (/** @type {number} */ value, /** @type {number} */ line) => (value !== value ? NONE : join(formats[line](value)));
    const rows = measured.filter((_, place) => place % each === 0).map((at) =>
        el('tr', {}, el('th', {scope: 'row'}, clock((x[at] + origin_s) * 1e6)), ...panel.lines.flatMap((_, line) =>
            [0, 1, 2].map((k) => el('td', {class: 'right'}, say(ys[line * 3 + k][at], line))))));
    const table = el('table', {class: 'list'},
        el('caption', {class: 'quiet'}, `${panel.title}, ${context.rangeText()}; mean, least and greatest of each step`),
        el('thead', {}, el('tr', {}, el('th', {scope: 'col'}, 'time'), ...panel.names.flatMap((name) => [name, 'least', 'greatest'].map((head) => el('th', {scope: 'col', class: 'right'}, head))))),
        el('tbody', {}, ...rows));
    openDialog(`${panel.title} as table`, el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': panel.title}, table));
}
