/** Who uses the machine: by CPU in cores, and by memory (or VRAM where a GPU is read). A chosen spike adds its own column. */
import {attribute, el, hide, rows, text} from '../dom.js';
import {processName} from '../explain.js';
import {NONE, clock, counted} from '../format.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {import('../types').ProcessRow} ProcessRow */

const MOST = 10;
const GIB = 2 ** 30;

/** What the first list is ordered by: the thing that rose where processes are measured by it, else the processor. */
const BY_CPU = {head: 'CPU, cores', of: (/** @type {ProcessRow} */ row) => row.cpu_percent / 100, digits: 2};
const BY_READ = {head: 'Read, MB/s', of: (/** @type {ProcessRow} */ row) => row.io_read_bytes_s / 1e6, digits: 1};
const BY_WRITTEN = {head: 'Written, MB/s', of: (/** @type {ProcessRow} */ row) => row.io_write_bytes_s / 1e6, digits: 1};

/** @param {string} metric */
const orderFor = (metric) => (metric.startsWith('system.disk.read') ? BY_READ : metric.startsWith('system.disk.write') ? BY_WRITTEN : BY_CPU);

/** @param {number} value @param {number} digits */
const figure = (value, digits) => (value === value ? value.toFixed(digits) : NONE);

/** Names are told apart by number, since two may be hidden. @param {ProcessRow} row */
const keyOf = (row) => `${row.number} ${row.name}`;

export default {
    id: 'processes', area: 'side', title: 'Processes',
    /** @param {Context} context */
    shown: ({processes}) => processes !== null,
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const {state, bridge} = context;
        const about = el('span', {class: 'quiet'});
        const thenHead = el('th', {scope: 'col', class: 'right warn'});
        const cpuHead = el('th', {scope: 'col'}, BY_CPU.head);
        const cpuBody = el('tbody'), memoryBody = el('tbody'), memoryHead = el('th', {scope: 'col'});
        const cpu = el('table', {class: 'list', 'aria-label': 'Processes by what they use'}, el('thead', {}, el('tr', {}, cpuHead, el('th', {scope: 'col', class: 'right'}, 'now'), thenHead)), cpuBody);
        const memory = el('table', {class: 'list', 'aria-label': 'Processes by memory'}, el('thead', {}, el('tr', {}, memoryHead, el('th', {scope: 'col', class: 'right'}, 'now'))), memoryBody);
        host.append(el('header', {class: 'together'}, el('h2', {}, 'Processes'), about), el('div', {class: 'two-lists'}, cpu, memory));

        const now = () => context.processes ?? {rows: [], total: NaN};
        const byVram = () => now().rows.some((row) => row.vram_bytes > 0);
        const drawCpu = () => {
            const {rows: current, total} = now();
            const then = state.event?.spike?.processes ?? null;
            text(about, total === total ? `${counted(total, 'process', 'processes')}, top by CPU and by ${byVram() ? 'VRAM' : 'memory'}` : '');
            const {head, of, digits} = orderFor(then ? state.event?.spike?.series?.metric ?? '' : '');
            text(cpuHead, head);
            hide(thenHead, !then);
            if (then && state.event) text(thenHead, `▲ at ${clock(state.event.time_us)}`);
            const present = new Map(current.map((row) => [keyOf(row), row]));
            const before = new Map((then?.rows ?? []).map((row) => [keyOf(row), row]));
            const order = (then?.rows ?? current).filter((row) => of(row) === of(row)).sort((a, b) => of(b) - of(a)).slice(0, MOST);
            rows(cpuBody, order, () => el('tr', {}, el('td'), el('td', {class: 'right'}), el('td', {class: 'right'})), (tr, row) => {
                const here = present.get(keyOf(row)), past = before.get(keyOf(row));
                name(tr.children[0], row);
                text(tr.children[1], here ? figure(of(here), digits) : 'gone');
                tr.children[1].classList.toggle('quiet', !here);
                const cell = /** @type {HTMLElement} */ (tr.children[2]);
                hide(cell, !then);
                text(cell, past ? figure(of(past), digits) : NONE);
                cell.classList.toggle('worst', past === order[0]);
                cell.classList.toggle('quiet', past !== order[0]);
            });
        };
        const drawMemory = () => {
            const vram = byVram();
            text(memoryHead, vram ? 'VRAM, GiB' : 'Memory, GiB');
            const size = (/** @type {ProcessRow} */ row) => (vram ? row.vram_bytes : row.pss_bytes > 0 ? row.pss_bytes : row.rss_bytes);
            const largest = now().rows.filter((row) => size(row) > 0).sort((a, b) => size(b) - size(a)).slice(0, MOST);
            rows(memoryBody, largest, () => el('tr', {}, el('td'), el('td', {class: 'right'})), (tr, row) => {
                name(tr.children[0], row);
                text(tr.children[1], figure(size(row) / GIB, 2));
            });
        };
        // A step each: both lists in one frame are the dearest that the page has.
        bridge.on('processes', () => { if (!state.paused) drawCpu(); });
        bridge.on('processes', () => { if (!state.paused) drawMemory(); });
        state.addEventListener('event', drawCpu);
        drawCpu();
        drawMemory();
    },
};

/** @param {Element} cell @param {ProcessRow} row */
function name(cell, row) {
    text(cell, processName(row));
    attribute(cell, 'title', row.unit ? `${processName(row)}, ${row.unit}` : processName(row));
}
