/** Disk: read above, write below, over all whole disks; how busy the busiest is. */
import {join, rate, size, trimmed} from '../format.js';
import {SteppedScale} from '../scale.js';
import {mountSystem} from './system.js';

/** @typedef {import('../context.js').Context} Context */

const seconds = () => performance.now() / 1000;

/** @param {Context} context */
function note({bridge: {latest}}) {
    const busy = latest.max('system.disk.busy_percent'), free = latest.all('system.disk.free_bytes');
    // The file system with the root is the one a person means; else the largest.
    const root = free.find(({key}) => key.labels.some(({value}) => value === '/')) ?? free.sort((a, b) => b.value - a.value)[0];
    return [
        busy === busy ? `busy ${busy.toFixed(0)} %` : '',
        root ? `${join(size(root.value))} free` : '',
    ].filter(Boolean);
}

export default {
    id: 'disk', area: 'system', title: 'Disk read',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.mayHave('system.disk.read_bytes_s'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const read = new SteppedScale(1e6), write = new SteppedScale(1e6);
        mountSystem(host, context, {
            id: 'disk', title: 'Disk read', steps: true, metric: 'system.disk.read_bytes_s',
            subjects: ['system.disk.', 'system.psi.io.'],
            lines: [{metric: 'system.disk.read_bytes_s', how: 'sum'}, {metric: 'system.disk.write_bytes_s', how: 'sum'}],
            kinds: ['main', 'strip'], names: ['read', 'write'],
            figure: ({bridge}) => rate(bridge.latest.sum('system.disk.read_bytes_s')),
            format: rate, note,
            max: (_, most) => read.see(most, seconds()), scaleText: (max) => `0 to ${join(trimmed(rate(max)))}`,
            stripMax: (_, most) => write.see(most, seconds()),
            stripText: ({bridge}) => `write ${join(rate(bridge.latest.sum('system.disk.write_bytes_s')))}`,
            stripScale: (max) => `to ${join(trimmed(rate(max)))}`,
        });
    },
};
