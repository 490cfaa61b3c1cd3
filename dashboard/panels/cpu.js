/** CPU: the share of the machine, and one row of heat a core. */
import {percent, span} from '../format.js';
import {mountSystem} from './system.js';

/** @typedef {import('../context.js').Context} Context */

/** @param {Context} context */
function note({bridge: {latest}}) {
    const cores = latest.all('system.cpu.core_percent').length;
    const mhz = latest.max('system.cpu.frequency_mhz');
    const load = latest.one('system.load1');
    return [
        cores ? `${cores} threads` : '',
        mhz === mhz ? `${(mhz / 1000).toFixed(1)} GHz` : load === load ? `load ${load.toFixed(2)}` : '',
    ].filter(Boolean);
}

export default {
    id: 'cpu', area: 'system', title: 'CPU',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.mayHave('system.cpu.percent'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        mountSystem(host, context, {
            id: 'cpu', title: 'CPU', metric: 'system.cpu.percent',
            subjects: ['system.cpu.', 'system.psi.cpu.', 'system.load'],
            lines: [{metric: 'system.cpu.percent', how: 'one'}], kinds: ['main'], names: ['CPU, %'],
            heat: {metric: 'system.cpu.core_percent', label: 'core'},
            figure: ({bridge}) => percent(bridge.latest.one('system.cpu.percent')),
            format: percent, note,
            max: () => 100, scaleText: () => '0 to 100 %',
            stripText: () => 'per thread',
        });
    },
};
