/** What a panel is given: the data, the view, and the few things panels ask of the page. */
import {el, rows, text} from './dom.js';
import {amount, culprits, explain, processName} from './explain.js';
import {Facts} from './facts.js';
import {clock, figureOf, span} from './format.js';
import {learnNames} from './names.js';
import {Requests} from './requests.js';

/** @typedef {import('./chart-marks.js').Mark} Mark */
/** @typedef {import('./panels/system.js').SystemPanel} SystemPanel */
/** @typedef {import('./chart.js').Chart} Chart */
/** @typedef {{panel: SystemPanel, chart: Chart, scales: () => {max: number, stripMax: number}}} Described */
/** @typedef {import('./types').ProcessTable} ProcessTable */
/** @typedef {import('./types').ServiceHealth} ServiceHealth */

export class Context {
    /**
     * @param {import('./bridge.js').Bridge} bridge @param {import('./view.js').ViewState} state
     * @param {import('./events.js').Events} events @param {import('./api.js').Api} api @param {import('./motion.js').Motion} motion
     */
    constructor(bridge, state, events, api, motion) {
        this.bridge = bridge;
        this.state = state;
        this.events = events;
        this.api = api;
        this.motion = motion;
        /** @type {ProcessTable|null} */
        this.processes = null;
        /** @type {Map<string, ServiceHealth>} */
        this.health = new Map();
        /** @type {Map<string, Described>} */
        this.described = new Map();
        this.focused = 'cpu';
        /** @type {((id: string) => void)[]} */
        this.focusListeners = [];
        /** @type {(id: string) => void} set by table.js */
        this.table = () => {};
        /** @type {import('./frames.js').FrameMeter|null} */
        this.frames = null;
        this.requests = new Requests(api, bridge);
        this.facts = new Facts(api, bridge, events);
        this.tip = makeTip();
        bridge.on('processes', ({table}) => { this.processes = table; learnNames(table); });
        bridge.on('health', ({services}) => { for (const one of services) this.health.set(one.service, one); });
    }

    /** The panel drawn large. @param {string} id */
    focus(id) {
        this.focused = id;
        for (const listener of this.focusListeners) listener(id);
    }

    /** @param {(id: string) => void} listener called now and at each change */
    onFocus(listener) {
        this.focusListeners.push(listener);
        listener(this.focused);
    }

    /** @param {string} id @param {Described} described */
    describe(id, described) {
        this.described.set(id, described);
        if (id === this.focused) this.focus(id);
    }

    /** How a metric's values are written. @param {string} metric */
    figure(metric) { return (/** @type {number} */ value) => figureOf(metric, value); }

    /** "−60 s to now", "14:32:07 to 14:33:07" */
    rangeText() {
        const {drawn} = this.state;
        if (drawn.live) return `−${span(drawn.span_s)} to now`;
        return `${clock(drawn.from_us)} to ${clock(drawn.to_us)}`;
    }

    /** Who was running at a spike, beside the mark; the process panel shows the same moment. @param {Mark|null} mark @param {HTMLElement} plot @param {number} left px in the plot */
    showMark(mark, plot, left) {
        const event = mark ? this.events.find(mark.id) : null;
        if (!event) { this.tip.root.hidden = true; return; }
        if (event.spike && this.state.event?.id !== event.id) this.state.choose(event);
        this.tip.show(event, plot.getBoundingClientRect(), left);
    }
}

function makeTip() {
    const title = el('strong'), rest = el('p'), list = el('ul'), metric = el('code');
    const root = el('div', {class: 'tip', id: 'tip', role: 'tooltip', hidden: true}, title, rest, list, metric);
    document.body.append(root);
    return {
        root,
        /** @param {import('./types').MonitorEvent} event @param {DOMRect} box @param {number} left */
        show(event, box, left) {
            const said = explain(event);
            text(title, `${clock(event.time_us)}  ${said.finding}`);
            text(rest, said.rest);
            rows(list, culprits(event).slice(0, 5), () => el('li', {class: 'ends'}, el('span'), el('span')), (row, process) => {
                text(row.children[0], processName(process));
                text(row.children[1], amount(event, process));
            });
            text(metric, event.spike?.series ? `${event.spike.series.metric} [${event.spike.series.source || event.source}]` : `${event.kind} [${event.source || event.producer}]`);
            root.hidden = false;
            const width = root.offsetWidth;
            root.style.left = `${Math.max(8, Math.min(box.left + left + 12, innerWidth - width - 8))}px`;
            root.style.top = `${Math.max(8, Math.min(box.bottom + 6, innerHeight - root.offsetHeight - 8))}px`;
        },
    };
}
