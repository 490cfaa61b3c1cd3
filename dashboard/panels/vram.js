/** Memory of the GPU: used of all of it. */
import {join, memory, trimmed} from '../format.js';
import {gpuSource} from './gpu.js';
import {mountSystem} from './system.js';

/** @typedef {import('../context.js').Context} Context */

export default {
    id: 'vram', area: 'system', title: 'VRAM',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.has('gpu.mem_used_bytes'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const source = gpuSource(context);
        const {latest} = context.bridge;
        const total = () => latest.one('gpu.mem_total_bytes', source);
        const used = () => latest.one('gpu.mem_used_bytes', source);
        mountSystem(host, context, {
            id: 'vram', title: 'VRAM', metric: 'gpu.mem_used_bytes',
            subjects: ['gpu.mem'],
            lines: [{metric: 'gpu.mem_used_bytes', how: 'one', source}], kinds: ['main'], names: ['used'],
            figure: () => memory(used()), format: memory,
            note: () => (total() === total() ? [`${join(memory(total() - used()))} free`] : []),
            max: () => total(), scaleText: () => (total() === total() ? `0 to ${join(trimmed(memory(total())))}` : ''),
        });
    },
};
