/** Spikes and events in view, newest on top, and one sentence on the chosen one: what rose, and who was running. */
import {attribute, el, rows, text} from '../dom.js';
import {explain, foremost} from '../explain.js';
import {figureOf, join, moment, spoken} from '../format.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').MonitorEvent} MonitorEvent */

const MOST = 40;
const KINDS = /** @type {Record<string, string>} */ ({
    restart: 'restarted', clock_step: 'clock stepped', suspend: 'slept', resume: 'woke', device_come: 'device came', device_gone: 'device gone',
    setting_changed: 'setting changed', quarantine: 'set aside', loss: 'lost',
});

/** @param {MonitorEvent} event */
function usual({spike}) {
    if (!spike) return '';
    const say = (/** @type {number} */ value) => join(figureOf(spike.series?.metric ?? '', value));
    return `${say(spike.usual_low)} to ${say(spike.usual_high)}`;
}

export default {
    id: 'happened', area: 'main', title: 'What happened',
    /** @param {Context} context */
    shown: (context) => context.described.size > 0,
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const {events, state, bridge} = context;
        const finding = el('strong'), rest = el('span');
        const sentence = el('p', {class: 'sentence', role: 'status'}, finding, rest);
        const dismiss = el('button', {class: 'plain', type: 'button', hidden: true, on: {click: () => state.choose(null)}}, 'Dismiss');
        const count = el('span', {class: 'quiet'});
        const body = el('tbody');
        const table = el('table', {class: 'list'}, el('thead', {}, el('tr', {},
            el('th', {scope: 'col'}, 'time'), el('th', {scope: 'col'}, 'what'), el('th', {scope: 'col', class: 'right'}, 'value'),
            el('th', {scope: 'col', class: 'right'}, 'usual'), el('th', {scope: 'col'}, 'who'))), body);
        const scroll = el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Spikes and events in view'}, table);
        host.append(el('header', {class: 'ends'}, el('div', {class: 'together'}, el('h2', {}, 'What happened'), count), dismiss), sentence, scroll);

        const draw = () => {
            const [from, to] = state.window_us;
            const found = events.between(from, to + 1e6).reverse();
            const spikes = found.filter(({spike}) => spike).length;
            text(count, found.length ? `${spikes} ▲ outside the usual range, ${found.length - spikes} ◆` : '');
            const shown = state.event ?? found.find(({spike}) => spike) ?? null;
            if (shown) {
                const said = explain(shown);
                text(finding, said.finding);
                text(rest, `${said.rest ? (shown.spike ? ', ' : ': ') : ''}${said.rest}`);
            } else {
                text(finding, '');
                text(rest, 'Nothing left its usual range in this time.');
            }
            sentence.classList.toggle('calm', !shown);
            dismiss.hidden = !state.event;
            table.hidden = !found.length;
            rows(body, found.slice(0, MOST), () => row(context), (tr, event) => fill(tr, event, state.event?.id === event.id, bridge.now_us()));
        };
        events.addEventListener('change', draw);
        state.addEventListener('event', draw);
        state.addEventListener('view', draw);
        // What leaves the window leaves the list; once a second is as often as a time in seconds changes.
        bridge.on('second', () => { if (!state.paused) draw(); });
        draw();
    },
};

/** @param {Context} context */
function row({events, state}) {
    const choose = el('button', {class: 'row-button', type: 'button'});
    const tr = el('tr', {}, el('td', {}, choose), el('td'), el('td', {class: 'right'}), el('td', {class: 'right quiet'}), el('td', {class: 'quiet'}));
    tr.addEventListener('click', () => {
        const event = events.find(tr.dataset.event ?? '');
        state.choose(state.event?.id === event?.id ? null : event);
    });
    return tr;
}

/** @param {HTMLElement} tr @param {MonitorEvent} event @param {boolean} chosen @param {number} now_us */
function fill(tr, event, chosen, now_us) {
    const [time, what, value, normal, who] = tr.children;
    const {spike} = event;
    tr.dataset.event = event.id;
    tr.classList.toggle('chosen', chosen);
    const button = /** @type {HTMLElement} */ (time.firstElementChild);
    text(button, moment(event.time_us, now_us));
    attribute(button, 'aria-pressed', String(chosen));
    text(what, spike ? `▲ ${spoken(spike.series?.metric ?? '')}` : `◆ ${event.title || `${event.source} ${KINDS[event.kind] ?? event.kind}`}`);
    what.className = spike ? 'warn' : 'event';
    text(value, spike ? join(figureOf(spike.series?.metric ?? '', spike.value)) : '');
    text(normal, usual(event));
    text(who, foremost(event) || (spike ? 'not measured' : event.producer));
}
