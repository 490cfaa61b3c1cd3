/** Network: in above, out beside it; what the machine says to itself (loopback) is apart, in the strip. */
import {join, rate, trimmed} from '../format.js';
import {SteppedScale} from '../scale.js';
import {mountSystem} from './system.js';

/** @typedef {import('../context.js').Context} Context */

const seconds = () => performance.now() / 1000;

export default {
    id: 'network', area: 'system', title: 'Network in',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.mayHave('system.net.rx_bytes_s'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const inward = new SteppedScale(1e5), loop = new SteppedScale(1e5);
        mountSystem(host, context, {
            id: 'network', title: 'Network in', steps: true, metric: 'system.net.rx_bytes_s',
            subjects: ['system.net.'],
            lines: [
                {metric: 'system.net.rx_bytes_s', how: 'sum'}, {metric: 'system.net.tx_bytes_s', how: 'sum'},
                {metric: 'system.net.lo_bytes_s', how: 'one'},
            ],
            kinds: ['main', 'second', 'strip'], names: ['in', 'out', 'loopback, apart'],
            figure: ({bridge}) => rate(bridge.latest.sum('system.net.rx_bytes_s')),
            format: rate,
            note: ({bridge}) => [`out ${join(rate(bridge.latest.sum('system.net.tx_bytes_s')))}`],
            max: (_, most) => inward.see(most, seconds()), scaleText: (max) => `0 to ${join(trimmed(rate(max)))}`,
            stripMax: (_, most) => loop.see(most, seconds()),
            stripText: ({bridge}) => `loopback ${join(rate(bridge.latest.one('system.net.lo_bytes_s')))}`,
            stripScale: (max) => `to ${join(trimmed(rate(max)))}`,
        });
    },
};
