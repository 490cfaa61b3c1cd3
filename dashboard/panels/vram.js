/** Memory of the GPU: used of all of it. */
import {join, memory, trimmed} from '../format.js';
import {gpuSource} from './gpu.js';
import {mountSystem} from './system.js';
import {heldWords} from './vram-words.js';

/** @typedef {import('../context.js').Context} Context */

const FRESH_US = 10e6;

/** @param {Context} context @returns {[string, number][]} of each model once, though several may tell of it */
function byModel({bridge}) {
    const now_us = bridge.now_us();
    const fresh = bridge.latest.all('model.vram_bytes').filter(({value, time_us}) => value === value && now_us - time_us < FRESH_US);
    return [...new Map(fresh.map(({key, value}) => [key.source.replace(/^model:/, ''), value])).entries()];
}

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
            stripText: (context) => heldWords(byModel(context), used()),
            max: () => total(), scaleText: () => (total() === total() ? `0 to ${join(trimmed(memory(total())))}` : ''),
        });
    },
};
