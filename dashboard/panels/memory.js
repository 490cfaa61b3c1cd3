/** Memory in use, and how long work stood still for want of it (pressure stall, Linux). */
import {join, memory, percent, trimmed} from '../format.js';
import {mountSystem} from './system.js';

/** @typedef {import('../context.js').Context} Context */

/** @param {Context} context */
function total({bridge: {latest}}) {
    const said = latest.one('system.mem.total_bytes');
    // Where the total is not read, used and its share give it.
    return said === said ? said : (latest.one('system.mem.used_bytes') / latest.one('system.mem.percent')) * 100;
}

/** @param {Context} context */
function note({bridge: {latest}}) {
    const share = latest.one('system.mem.percent'), swap = latest.one('system.swap.percent');
    return [
        share === share ? `${share.toFixed(0)} %` : '',
        swap === swap ? `swap ${swap > 0 ? `${swap.toFixed(0)} %` : '0'}` : 'no swap',
    ].filter(Boolean);
}

export default {
    id: 'memory', area: 'system', title: 'Memory',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.mayHave('system.mem.used_bytes'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        mountSystem(host, context, {
            id: 'memory', title: 'Memory', metric: 'system.mem.used_bytes',
            subjects: ['system.mem.', 'system.swap.', 'system.psi.mem.'],
            lines: [{metric: 'system.mem.used_bytes', how: 'one'}, {metric: 'system.psi.mem.some_avg10', how: 'one'}],
            kinds: ['main', 'strip'], names: ['used', 'stalled, %'],
            figure: ({bridge}) => memory(bridge.latest.one('system.mem.used_bytes')),
            format: memory, note, max: total,
            scaleText: (_, ctx) => (ctx.bridge.latest.has('system.mem.used_bytes') ? `0 to ${join(trimmed(memory(total(ctx))))}` : ''),
            stripMax: (_, most) => (most > 10 ? 100 : 10),
            stripText: ({bridge}) => {
                const stalled = bridge.latest.one('system.psi.mem.some_avg10');
                return stalled === stalled ? `memory stall ${join(percent(stalled))}` : 'stall not measured';
            },
            stripScale: (max) => `to ${max} %`,
        });
    },
};
