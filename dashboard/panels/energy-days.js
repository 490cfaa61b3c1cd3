/** Electric energy by day: each model, other programs, and what rest cost; in money where there is a tariff. */
import {el, rows, text} from '../dom.js';
import {NONE, short} from '../format.js';
import {moneyOf, termsOf} from './request-terms.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {{day: string, kind: string, name: string, device: string, joules: number, tokens: number|null, attribution: string}} Share */

const ASK_MS = 60_000;
const JOULES_PER_KWH = 3.6e6;
const HEADS = [['day', ''], ['what', ''], ['kWh', 'right'], ['J a token', 'right'], ['cost', 'right'], ['found', '']];

/** Cells of the table, a day named once. @param {Share[]} shares @param {import('./request-terms.js').Terms} terms */
export function shareRows(shares, terms) {
    return shares.map((share, at) => {
        const what = share.kind === 'model' ? `${share.name}${share.device === 'package' ? ' (CPU)' : ''}` : share.kind === 'idle' ? `idle: ${share.name}` : `other programs: ${share.name}`;
        return [
            at && shares[at - 1].day === share.day ? '' : share.day, what, (share.joules / JOULES_PER_KWH).toFixed(4),
            share.tokens ? short(share.joules / share.tokens) : NONE, moneyOf(share.joules, terms) || NONE, share.attribution || NONE,
        ];
    });
}

export default {
    id: 'energy-days', area: 'side', title: 'Electric energy',
    /** @param {Context} context */
    shown: ({bridge}) => bridge.latest.has('gpu.energy_split_j') || bridge.latest.has('system.energy_split_j'),
    /** @param {HTMLElement} host @param {Context} context */
    mount(host, context) {
        const about = el('span', {class: 'quiet'}), body = el('tbody'), said = el('p', {class: 'sentence calm', hidden: true});
        const head = el('thead', {}, el('tr', {}, ...HEADS.map(([name, kind]) => el('th', {scope: 'col', class: kind || null}, name))));
        const scroll = el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Electric energy by day'}, el('table', {class: 'list'}, head, body));
        host.append(el('header', {class: 'together'}, el('h2', {}, 'Electric energy'), about), said, scroll);
        const ask = async () => {
            try {
                const answer = await context.api.ask('energy?days=7');
                const terms = termsOf({tariff_per_kwh: answer.tariff_per_kwh, currency: answer.currency});
                text(about, terms.per_kwh > 0 ? `7 days, at ${terms.per_kwh}\u00a0${terms.currency || 'money'} a kWh` : '7 days; a cost needs the setting energy.tariff_per_kwh');
                rows(body, shareRows(answer.shares ?? [], terms), () => el('tr', {}, ...HEADS.map(([, kind]) => el('td', {class: kind || null}))), (tr, cells) => cells.forEach((cell, at) => text(tr.children[at], cell)));
                text(said, answer.shares?.length ? '' : 'Nothing is kept yet: with recording off, sums by day are not kept.');
            } catch (error) {
                text(said, error instanceof Error ? error.message : String(error));
            }
            said.hidden = !said.textContent;
        };
        setInterval(() => { if (!context.state.paused) void ask(); }, ASK_MS);
        void ask();
    },
};
