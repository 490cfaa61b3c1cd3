/** Each disk, file system, network interface and sensor by itself: one line each, only what is there. */
import {Latest} from '../bridge.js';
import {el, rows, text} from '../dom.js';
import {NONE, join, rate, size} from '../format.js';

/** @typedef {import('../context.js').Context} Context */

/** @param {Latest} latest @param {string} metric @param {string} label @returns {Map<string, number>} */
function by(latest, metric, label) {
    return new Map(latest.all(metric).map((one) => [Latest.label(one, label), one.value]));
}

/** @param {number|undefined} value @param {(value: number) => import('../format.js').Figure} format */
const say = (value, format) => (value === undefined || value !== value ? NONE : join(format(value)));

/** @param {number|undefined} value @param {string} unit */
const whole = (value, unit) => (value === undefined || value !== value ? NONE : `${value.toFixed(0)}\u00a0${unit}`);

/** @param {Latest} latest @returns {{heads: string[], rows: string[][]}[]} */
export function deviceTables(latest) {
    const read = by(latest, 'system.disk.read_bytes_s', 'device'), write = by(latest, 'system.disk.write_bytes_s', 'device'), busy = by(latest, 'system.disk.busy_percent', 'device');
    const free = by(latest, 'system.disk.free_bytes', 'mount'), total = by(latest, 'system.disk.total_bytes', 'mount');
    const inward = by(latest, 'system.net.rx_bytes_s', 'iface'), outward = by(latest, 'system.net.tx_bytes_s', 'iface');
    const warm = by(latest, 'system.temp_c', 'sensor'), fans = by(latest, 'system.fan_rpm', 'sensor');
    return [
        {heads: ['disk', 'read', 'write', 'busy'], rows: [...read.keys()].map((name) => [name, say(read.get(name), rate), say(write.get(name), rate), whole(busy.get(name), '%')])},
        {heads: ['file system', 'of', 'free', 'used'], rows: [...free.keys()].map((name) => [name, say(total.get(name), size), say(free.get(name), size), total.has(name) ? whole(100 * (1 - (free.get(name) ?? NaN) / (total.get(name) ?? NaN)), '%') : NONE])},
        {heads: ['network', 'in', 'out', ''], rows: [...inward.keys()].map((name) => [name, say(inward.get(name), rate), say(outward.get(name), rate), ''])},
        {heads: ['sensor', '', '', 'now'], rows: [...[...warm].map(([name, value]) => [name, '', '', whole(value, '°C')]), ...[...fans].map(([name, value]) => [name, '', '', whole(value, 'rpm')])]},
    ].filter((table) => table.rows.length);
}

export default {
    id: 'devices', area: 'side', title: 'Devices',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.has('system.disk.read_bytes_s') || bridge.latest.has('system.net.rx_bytes_s'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const tables = el('div', {class: 'devices'});
        host.append(el('header', {class: 'together'}, el('h2', {}, 'Devices'), el('span', {class: 'quiet'}, 'each by itself')), tables);
        const draw = () => rows(tables, deviceTables(context.bridge.latest), () => el('table', {class: 'list fixed'}, el('thead', {}, el('tr')), el('tbody')), (table, data) => {
            // A column without a name is a cell: a heading that says nothing only disturbs a screen reader.
            const heads = data.heads.map((head, at) => (head ? el('th', {scope: 'col', class: at ? 'right' : null}, head) : el('td')));
            const tr = /** @type {HTMLElement} */ (table.querySelector('thead tr'));
            if (tr.textContent !== data.heads.join('')) tr.replaceChildren(...heads);
            rows(/** @type {HTMLElement} */ (table.querySelector('tbody')), data.rows, () => el('tr'), (tr, cells) => {
                rows(tr, cells, () => el('td'), (td, cell) => {
                    text(td, cell);
                    td.classList.toggle('right', td !== tr.firstElementChild);
                });
            });
        });
        context.bridge.on('latest', () => { if (!context.state.paused) draw(); });
        draw();
    },
};
