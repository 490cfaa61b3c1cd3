/** The monitor's own services: state, since when, restarts, cost, and why not ready. */
import {keepFresh, openDialog} from './dialog.js';
import {el, rows, text} from './dom.js';
import {NONE, clock, join, memory, millis, span} from './format.js';

/** @typedef {import('./context.js').Context} Context */

/** By ServiceState of health.proto. */
const STATES = ['not heard of', 'starting', 'ready', 'degraded', 'stopping', 'down'];
const KIND = ['quiet', 'quiet', 'ok', 'warn', 'quiet', 'crit'];
const MARKS = ['○', '○', '●', '▲', '○', '■'];
/** Health comes each second; three missing are said. */
const SILENT_US = 3.5e6;

/** @param {Context} context */
export function openServices(context) {
    const body = el('tbody');
    const heads = ['service', 'state', 'since', 'restarts', 'CPU, % of a core', 'memory', 'what is the matter'];
    const table = el('table', {class: 'list'}, el('thead', {}, el('tr', {}, ...heads.map((head, at) => el('th', {scope: 'col', class: at >= 3 && at <= 5 ? 'right' : null}, head)))), body);
    const line = el('p', {class: 'quiet'});
    const dialog = openDialog('Services', el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Services'}, table), line);
    dialog.classList.add('wide');
    keepFresh(dialog, () => {
        const {bridge: {latest, figures}} = context;
        const now_us = context.bridge.now_us();
        const names = new Set([...context.health.keys(), ...latest.all('monitor.cpu_percent').map(({key}) => key.source.replace(/^monitor:/, ''))]);
        rows(body, [...names].sort(), () => el('tr', {}, ...heads.map((_, at) => el('td', {class: at >= 3 && at <= 5 ? 'right' : null}))), (tr, name) => {
            const health = context.health.get(name), source = `monitor:${name}`;
            const cpu = latest.one('monitor.cpu_percent', source), pss = latest.one('monitor.pss_bytes', source), rss = latest.one('monitor.rss_bytes', source);
            const silent = health && now_us - health.time_us > SILENT_US;
            const state = health ? health.state : 0;
            const runs = !health && cpu === cpu;  // supervisord says nothing of itself; it is measured, so it runs
            const restarts = context.health.get('listener')?.counters?.[`restarts_total:${name}`];
            const cells = [
                name, runs ? '● runs' : `${MARKS[silent ? 0 : state]} ${silent ? `silent for ${span((now_us - health.time_us) / 1e6)}` : STATES[state] ?? 'unknown'}`,
                health?.started_us ? clock(health.started_us) : NONE, restarts === undefined ? NONE : String(restarts),
                cpu === cpu ? cpu.toFixed(1) : NONE, join(memory(pss === pss ? pss : rss)), health?.reason ?? '',
            ];
            cells.forEach((cell, at) => text(tr.children[at], cell));
            tr.children[1].className = runs ? 'ok' : silent ? 'warn' : KIND[state] ?? '';
        });
        text(line, `Way to this page: ${millis(figures.round_trip_ms)} there and back, a frame is read in ${millis(figures.decode_ms)}, ${figures.frames_total} frames came, ${figures.conflated_total} were merged on the way, clock off by ${millis(figures.clock_offset_us / 1000)}.`);
    }, 1000);
}
