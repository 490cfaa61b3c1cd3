/** Who, connected and how late, what the monitor costs, range, pause, theme. The recording dot is in recording.js. */
import {attribute, byId, el, icon, text} from './dom.js';
import {clock, join, memory, millis, span} from './format.js';
import {openRange} from './range-dialog.js';
import {SPANS} from './view.js';

/** @typedef {import('./context.js').Context} Context */

const NAMES = {live: 'Live', '5m': '5m', '1h': '1h', '24h': '24h'};
const PAUSE = 'M4 2h3v12H4zM9 2h3v12H9z', PLAY = 'M4 2l10 6-10 6z', HALF = 'M8 1a7 7 0 1 0 0 14A7 7 0 0 0 8 1zm0 1.6v10.8A5.4 5.4 0 0 1 8 2.6z';
/** Less is within what a ping can tell, and nobody's mistake; the services' view has it always. */
const SKEW_MS = 5;
/** A ribbon, and a ribbon that stands. */
const MOVES = 'M1 9.2C3.5 3 6 3 8 8s4.5 5 7-1.2l-1.3-.6C12 10 10.6 10.2 9.3 7.4 6.6 1.4 3 2 0 8.4z', STANDS = 'M1 7h14v2H1z';
const THEMES = ['dark', 'light', 'system'];

/** @param {Context} context */
export function mountHeader(context) {
    connection(context);
    cost(context);
    ranges(context);
    pause(context);
    theme();
    motion(context);
}

/** @param {Context} context */
function connection({bridge, state}) {
    const dot = byId('connection-dot'), said = byId('connection-text'), skew = byId('skew');
    let reason = '';
    const draw = () => {
        const {link, figures} = bridge;
        const open = link.state === 'open';
        dot.className = `dot ${open ? 'ok' : 'hollow'}`;
        // While it is tried again it is lost all the same.
        document.body.classList.toggle('lost', link.state === 'waiting' || link.state === 'refused' || (link.state === 'connecting' && link.last_seen_us > 0));
        if (open) {
            const how = link.transport === 'sse' ? 'connected by server-sent events' : 'connected';
            text(said, figures.behind_ms === figures.behind_ms ? `${how}, ${millis(Math.max(0, figures.behind_ms))} behind` : how);
        } else if (link.state === 'connecting' && !(link.last_seen_us > 0)) {
            text(said, 'connecting');
        } else {
            // A try gives no reason; the one of the try before still holds.
            reason = link.reason || reason;
            const seen = link.last_seen_us > 0 ? `last seen ${clock(link.last_seen_us)}` : 'not connected';
            text(said, `${seen}${reason ? `: ${reason}` : ''}${link.state === 'refused' ? '' : ', trying again'}`);
        }
        const ahead = -figures.clock_offset_us / 1000;
        text(skew, Math.abs(ahead) >= SKEW_MS ? `clock ${ahead < 0 ? '−' : '+'}${millis(Math.abs(ahead))}` : '');
        skew.title = 'This browser\'s clock against the monitor\'s; every time on the page is the monitor\'s.';
    };
    bridge.on('link', draw);
    bridge.on('latest', () => { if (!state.paused) draw(); });
}

/** @param {Context} context */
function cost({bridge, state}) {
    const button = byId('cost');
    bridge.on('latest', () => {
        if (state.paused) return;
        const cpu = bridge.latest.sum('monitor.cpu_percent');
        const pss = bridge.latest.sum('monitor.pss_bytes'), bytes = pss === pss ? pss : bridge.latest.sum('monitor.rss_bytes');
        text(button, cpu === cpu ? `monitor ${cpu.toFixed(1)} % of a core${bytes === bytes ? `, ${join(memory(bytes))}` : ''}` : 'monitor: cost not measured yet');
    });
}

/** @param {Context} context */
function ranges({state}) {
    const group = byId('ranges'), menu = /** @type {HTMLSelectElement} */ (byId('range-select'));
    const choose = (/** @type {string} */ name) => (name === 'custom' ? openRange(state) : state.follow(SPANS[/** @type {keyof typeof SPANS} */ (name)]));
    const all = /** @type {[string, string][]} */ ([...Object.entries(NAMES), ['custom', 'From, to']]);
    const buttons = all.map(([name, title]) => el('button', {type: 'button', 'data-range': name, on: {click: () => choose(name)}}, title));
    group.append(...buttons);
    menu.append(...all.map(([name, title]) => el('option', {value: name}, title)));
    menu.addEventListener('change', () => choose(menu.value));
    const draw = () => {
        const {view} = state;
        const name = view.live ? Object.entries(SPANS).find(([, seconds]) => seconds === view.span_s)?.[0] ?? 'live' : 'custom';
        for (const button of buttons) button.setAttribute('aria-pressed', String(button.dataset.range === name));
        menu.value = name;
        text(buttons[buttons.length - 1], view.live ? 'From, to' : `${clock(view.from_us)}, ${span((view.to_us - view.from_us) / 1e6)}`);
    };
    state.addEventListener('view', draw);
    draw();
}

/** @param {Context} context */
function pause({state, bridge}) {
    const button = byId('pause'), said = byId('paused');
    button.addEventListener('click', () => (state.paused ? state.resume() : state.pause()));
    const draw = () => {
        button.setAttribute('aria-pressed', String(state.paused));
        button.replaceChildren(icon(state.paused ? PLAY : PAUSE), state.paused ? 'Go on' : 'Pause');
        said.hidden = !state.paused;
        text(said, state.paused ? `paused at ${clock(state.paused_us)}` : '');
        document.body.classList.toggle('still', state.paused);
        bridge.send({type: 'view', view: state.drawn, paused: state.paused});
    };
    state.addEventListener('view', draw);
    draw();
}

function theme() {
    const button = byId('theme');
    const draw = () => {
        button.replaceChildren(icon(HALF, 'round'));
        button.setAttribute('aria-label', `Theme: ${wfmonTheme.choice}`);
        button.title = `Theme: ${wfmonTheme.choice}`;
    };
    button.addEventListener('click', () => wfmonTheme.set(THEMES[(THEMES.indexOf(wfmonTheme.choice) + 1) % THEMES.length]));
    document.addEventListener('themechange', draw);
    draw();
}

/** Motion or stillness, whatever the system asks (WCAG 2.2.2, CONTRACTS §4). @param {Context} context */
function motion({motion: chosen}) {
    const button = byId('motion');
    const draw = () => {
        button.replaceChildren(icon(chosen.still ? STANDS : MOVES));
        attribute(button, 'aria-pressed', String(chosen.still));
        const why = chosen.choice === 'system' ? 'as the system asks' : 'as you chose';
        button.title = chosen.still ? `Motion is off, ${why}: bars and numbers, twice a second at most. Click to let it move.` : `Motion is on, ${why}. Click for bars and numbers that stand still.`;
    };
    button.addEventListener('click', () => chosen.set(chosen.still ? 'moving' : 'still'));
    chosen.addEventListener('change', draw);
    draw();
}
