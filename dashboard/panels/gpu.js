/** GPU: how busy, and its power below. Without one, the place says why and how to get it. */
import {el} from '../dom.js';
import {percent} from '../format.js';
import {mountSystem} from './system.js';

/** @typedef {import('../context.js').Context} Context */

/** @param {Context} context */
function note({bridge: {latest}}) {
    const power = latest.sum('gpu.power_w'), limit = latest.sum('gpu.power_limit_w'), warmest = latest.max('gpu.temp_c');
    return [
        power === power ? `${power.toFixed(0)}${limit === limit ? ` of ${limit.toFixed(0)}` : ''} W` : '',
        warmest === warmest ? `${warmest.toFixed(0)} °C` : '',
    ].filter(Boolean);
}

/** Which source stands for the machine: the only GPU, or the total that the collector makes of several. @param {Pick<Context, 'bridge'>} context */
export function gpuSource({bridge: {latest}}) {
    const sources = latest.all('gpu.util_percent').map(({key}) => key.source);
    return sources.includes('gpu:total') ? 'gpu:total' : sources[0];
}

export const gpu = {
    id: 'gpu', area: 'system', title: 'GPU',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.has('gpu.util_percent'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const source = gpuSource(context);
        const limit = () => {
            const said = context.bridge.latest.one('gpu.power_limit_w', source);
            return said === said ? said : NaN;
        };
        mountSystem(host, context, {
            id: 'gpu', title: 'GPU', metric: 'gpu.util_percent',
            subjects: ['gpu.util', 'gpu.power', 'gpu.temp'],
            lines: [{metric: 'gpu.util_percent', how: 'one', source}, {metric: 'gpu.power_w', how: 'one', source}],
            kinds: ['main', 'strip'], names: ['busy, %', 'power, W'],
            figure: ({bridge}) => percent(bridge.latest.one('gpu.util_percent', source)),
            format: percent, note,
            max: () => 100, scaleText: () => '0 to 100 %',
            stripMax: (_, most) => (limit() === limit() ? limit() : most === most ? Math.max(50, Math.ceil(most / 50) * 50) : NaN),
            stripText: ({bridge}) => {
                const power = bridge.latest.one('gpu.power_w', source);
                return power === power ? `power ${power.toFixed(0)} W` : 'power: not measured';
            },
            stripScale: (max) => (max === max ? `to ${max.toFixed(0)} W` : ''),
        });
    },
};

export const noGpu = {
    id: 'no-gpu', area: 'system', title: 'GPU',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.has('system.cpu.percent') && !bridge.latest.has('gpu.util_percent'),
    /** @param {HTMLElement} host */
    mount(host) {
        host.append(
            el('header', {class: 'ends'}, el('h2', {}, 'GPU')),
            el('p', {class: 'absent'}, 'not measured'),
            el('p', {class: 'reason'}, 'No GPU read: no NVIDIA driver answers on this machine. With one installed it appears here by itself. ', el('code', {}, 'wfmon doctor'), ' says what is missing.'),
        );
    },
};
