/** Memory of the GPU: used of all of it, and below that line a layer a model. */
import {join, memory, trimmed} from '../format.js';
import {gpuSource} from './gpu.js';
import {mountSystem} from './system.js';
import {Holders} from './vram-stack.js';
import {heldKeys, sharesOf} from './vram-words.js';

/** @typedef {import('../context.js').Context} Context */

const FRESH_US = 10e6;

/** @param {Context} context @returns {[string, number][]} of each model once, though several may tell of it */
function byModel({bridge}) {
    const now_us = bridge.now_us();
    const fresh = bridge.latest.all('model.vram_bytes').filter(({value, time_us}) => value === value && now_us - time_us < FRESH_US);
    /** @type {Map<string, number>} */
    const held = new Map();
    for (const {key, value} of fresh) {
        const name = key.source.replace(/^model:/, '');
        held.set(name, Math.max(value, held.get(name) ?? value));
    }
    return [...held];
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
        const holders = new Holders();
        /** @type {string[]} */
        let order = [];
        /** @type {[string, number][]} as last told */
        let held = [];
        /** @type {import('./system.js').SystemPanel} */
        const panel = {
            id: 'vram', title: 'VRAM', metric: 'gpu.mem_used_bytes',
            subjects: ['gpu.mem'],
            lines: [{metric: 'gpu.mem_used_bytes', how: 'one', source}], kinds: ['main'], names: ['used'],
            figure: () => memory(used()), format: memory,
            note: () => (total() === total() ? [`${join(memory(total() - used()))} free`] : []),
            keys: () => heldKeys(held, order, used()),
            shares: (keys) => sharesOf(keys, used(), total()),
            reline(context) {
                held = byModel(context);
                const next = holders.take(held, context.bridge.now_us());
                if (next.join('\n') === order.join('\n')) return false;
                order = next;
                panel.lines = [panel.lines[0], ...order.map((model) => ({metric: 'model.vram_bytes', how: /** @type {const} */ ('max'), source: `model:${model}`}))];
                panel.kinds = ['main', ...order.map(() => /** @type {const} */ ('stack'))];
                panel.names = ['used', ...order];
                return true;
            },
            max: () => total(), scaleText: () => (total() === total() ? `0 to ${join(trimmed(memory(total())))}` : ''),
        };
        mountSystem(host, context, panel);
    },
};
