/** Wires the page: session, worker, view, header, panels. */
import {Api} from './api.js';
import {Bridge} from './bridge.js';
import {shareCrosshair} from './chart.js';
import {commandsOf} from './commands.js';
import {Context} from './context.js';
import {byId, el, hide, text} from './dom.js';
import {Events} from './events.js';
import {FrameMeter} from './frames.js';
import {mountHeader} from './header.js';
import {listenKeys} from './keys.js';
import {openHelp} from './help.js';
import {Motion} from './motion.js';
import {openPalette} from './palette.js';
import {panels} from './panels/index.js';
import {mountRecording} from './recording.js';
import {openServices} from './services.js';
import {openSession, renewSession} from './session.js';
import {openTable} from './table.js';
import {ViewState} from './view.js';

/** Of no use without data for this long, the page says why. */
const REASON_AFTER_MS = 2000;

const bridge = new Bridge();
const api = new Api();
const session = openSession();
const state = new ViewState(() => bridge.now_us());
const events = new Events(api, state);
const motion = new Motion();
const context = new Context(bridge, state, events, api, motion);
context.frames = new FrameMeter(bridge, motion);
// A mitigation is logged where everybody sees it; whether that succeeds changes nothing here.
context.frames.addEventListener('mitigation', (event) => { api.ask('page/detail', /** @type {CustomEvent} */ (event).detail).catch(() => {}); });
context.table = (id) => openTable(context, id);
const commands = () => commandsOf(context, () => openPalette(commands()));

mountHeader(context);
shareCrosshair(state);
listenKeys(commands);
byId('search').addEventListener('click', () => openPalette(commands()));
byId('help').addEventListener('click', () => openHelp(commands()));
byId('cost').addEventListener('click', () => openServices(context));
addEventListener('scroll', () => { context.tip.root.hidden = true; }, {passive: true});

/** @type {Map<string, HTMLElement>} */
const mounted = new Map();

/** Panels come when their data does, each in its place; one that fails says so and takes no other with it. */
function arrange() {
    for (const panel of panels) {
        const shown = panel.shown(context), host = mounted.get(panel.id);
        if (host) hide(host, !shown);
        if (host || !shown) continue;
        const section = el('section', {class: `panel ${panel.area}-panel`, id: `panel-${panel.id}`, 'aria-label': panel.title});
        mounted.set(panel.id, section);
        const area = byId(`area-${panel.area}`);
        const after = panels.slice(panels.indexOf(panel) + 1).map(({id}) => mounted.get(id)).find((other) => other?.parentElement === area);
        area.insertBefore(section, after ?? null);
        try {
            panel.mount(section, context);
        } catch (error) {
            section.replaceChildren(el('h2', {}, panel.title), el('p', {class: 'crit'}, `This panel failed: ${error instanceof Error ? error.message : error}. Load the page again; the others go on.`));
        }
    }
    byId('area-system').classList.toggle('with-gpu', mounted.get('gpu')?.hidden === false);
}

for (const type of ['series', 'processes']) bridge.on(type, arrange);
context.requests.addEventListener('change', arrange);
bridge.on('events', ({events: fresh}) => events.add(fresh));
arrange();

let linked = false, loaded = false;
bridge.on('series', () => { loaded = true; notice(''); });
bridge.on('link', async ({link}) => {
    if (link.state === 'open') {
        linked = true;
        const [from_us, to_us] = state.window_us;
        events.load(Math.min(from_us, to_us - 300e6), to_us + 60e6).catch(() => {});
    }
    if (link.state === 'refused') {
        const token = await renewSession(api.token);
        if (token) start(token);
        else showEntry('The monitor does not know this page\'s key any more.');
    }
});
state.addEventListener('view', () => {
    if (!linked) return;
    const [from_us, to_us] = state.window_us;
    events.load(from_us, to_us + 1e6).catch(() => {});
});

/** @param {string} sentence */
function notice(sentence) {
    const node = byId('notice');
    node.hidden = !sentence;
    text(node, sentence);
}

/** @param {string} reason */
function showEntry(reason) {
    const entry = byId('entry');
    entry.hidden = false;
    entry.replaceChildren(
        el('h2', {}, reason),
        el('p', {}, 'Open it from a terminal on the machine that is watched:'),
        el('pre', {}, el('code', {}, 'wfmon open')),
        el('p', {class: 'quiet'}, 'The command opens this page with a key that works once. Nobody else on this machine, and no other web page, can look in without one.'),
    );
    byId('sheet').hidden = true;
    text(byId('connection-text'), 'not connected');
}

/** @param {string} token */
function start(token) {
    api.token = token;
    byId('entry').hidden = true;
    byId('sheet').hidden = false;
    const transport = localStorage.getItem('wfmon.transport') === 'sse' ? 'sse' : 'auto';
    bridge.send({type: 'start', base: location.origin, token, transport});
}

const {token, reason} = await session;
if (token) {
    start(token);
    mountRecording(context);
    api.ask('health').then((answer) => { text(byId('host'), String(answer.host ?? answer.hostname ?? location.hostname)); }, () => {});
    setTimeout(() => {
        if (loaded || !byId('entry').hidden) return;
        const why = bridge.link.state === 'open' ? 'the gateway answers, but no values come from the collector and the aggregator' : bridge.link.reason || 'the gateway has not answered';
        notice(`No values yet: ${why}. \`wfmon status\` says which service is missing.`);
    }, REASON_AFTER_MS);
} else {
    showEntry(reason);
}
