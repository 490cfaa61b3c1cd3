/** Everything that can be done, once: the palette lists it, the keys call it, the help shows it. */
import {openHelp} from './help.js';
import {openRange} from './range-dialog.js';
import {openServices} from './services.js';
import {openTable} from './table.js';
import {openCompare} from './panels/compare.js';
import {SPANS} from './view.js';

/** @typedef {import('./context.js').Context} Context */
/** @typedef {{title: string, keys: string[], run: () => void, listed?: false}} Command `listed`: false where the palette leaves it out */

/** @param {Context} context @param {() => void} openPalette @returns {Command[]} */
export function commandsOf(context, openPalette) {
    const {state, events, frames, motion} = context;
    const step = (/** @type {-1|1} */ direction) => {
        const event = events.step(direction);
        if (!event) return;
        const [from, to] = state.window_us;
        if (event.time_us < from || event.time_us > to) state.range(event.time_us - (to - from) / 2, event.time_us + (to - from) / 2);
        state.choose(event);
        state.point(event.time_us);
    };
    return [
        {title: 'Search or do', keys: ['Ctrl+K'], run: openPalette, listed: false},
        {title: 'Pause or go on', keys: [' ', 'p'], run: () => (state.paused ? state.resume() : state.pause())},
        {title: 'Follow now, last minute', keys: ['1', 'l'], run: () => state.follow(SPANS.live)},
        {title: 'Follow now, last 5 minutes', keys: ['2'], run: () => state.follow(SPANS['5m'])},
        {title: 'Follow now, last hour', keys: ['3'], run: () => state.follow(SPANS['1h'])},
        {title: 'Follow now, last 24 hours', keys: ['4'], run: () => state.follow(SPANS['24h'])},
        {title: 'From, to …', keys: ['r'], run: () => openRange(state)},
        {title: 'Nearer', keys: ['w'], run: () => state.zoom(0.5)},
        {title: 'Farther', keys: ['s'], run: () => state.zoom(2)},
        {title: 'Back in time', keys: ['a'], run: () => state.pan(-0.25)},
        {title: 'Forward in time', keys: ['d'], run: () => state.pan(0.25)},
        {title: 'Zoom out to where it was', keys: ['Ctrl+Z'], run: () => state.zoomOut()},
        {title: 'Event before', keys: [','], run: () => step(-1)},
        {title: 'Event after', keys: ['.'], run: () => step(1)},
        {title: 'Dismiss the chosen event', keys: ['Escape'], run: () => { state.choose(null); state.point(NaN); context.tip.root.hidden = true; }},
        {title: 'View the chosen chart as table', keys: ['t'], run: () => openTable(context, context.focused)},
        ...[...context.described.values()].map(({panel}) => ({title: `Draw ${panel.title} large`, keys: [], run: () => context.focus(panel.id)})),
        {title: 'Compare models', keys: [], run: () => openCompare(context)},
        {title: 'Services: state and cost of the monitor itself', keys: ['m'], run: () => openServices(context)},
        {title: 'Theme: dark', keys: [], run: () => wfmonTheme.set('dark')},
        {title: 'Theme: light', keys: [], run: () => wfmonTheme.set('light')},
        {title: 'Theme: as the system', keys: [], run: () => wfmonTheme.set('system')},
        {title: 'Motion: on or off', keys: ['o'], run: () => motion.set(motion.still ? 'moving' : 'still')},
        {title: 'Motion: as the system asks', keys: [], run: () => motion.set('system')},
        {title: 'Redraw as often as fits', keys: [], run: () => frames?.choose('auto')},
        {title: 'Detail: all, however busy the machine is', keys: [], run: () => frames?.choose(0)},
        {title: 'Redraw 10 times a second', keys: [], run: () => frames?.choose(1)},
        {title: 'Redraw twice a second', keys: [], run: () => frames?.choose(2)},
        {title: 'Connect by server-sent events', keys: [], run: () => transport('sse')},
        {title: 'Connect by WebSocket', keys: [], run: () => transport('auto')},
        {title: 'Help: keys and marks', keys: ['?'], run: () => openHelp(commandsOf(context, openPalette))},
    ];
}

/** @param {string} choice */
function transport(choice) {
    localStorage.setItem('wfmon.transport', choice);
    location.reload();
}
