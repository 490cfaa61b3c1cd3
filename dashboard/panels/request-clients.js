/** Who asked, where the person agreed to record it: requests, tokens, time, joules and money by client. */
import {attribute, el, hide, rows, text} from '../dom.js';
import {NONE, figure, grouped, moment, short, span} from '../format.js';
import {moneyOf, termsOf} from './request-terms.js';

/** @typedef {{client: string, name: string, requests: number, prompt_tokens: number|null, output_tokens: number|null, e2e_ms: number|null, joules: number|null, with_joules: number, newest_us: number}} Total */

const HEADS = ['client', 'requests', 'tokens in', 'out', 'time', 'joules', 'money', 'last'];
const MOST = 10;
const SETTING = 'privacy.record.client';
/** A consent counts from the next request on, and a burst of requests is asked for once. */
const AGAIN_MS = 2000;

/** Cells of one client. Joules of a part of its requests are said to be so. @param {Total} total @param {import('./request-terms.js').Terms} terms @param {number} now_us */
export function clientCells(total, terms, now_us) {
    const part = total.with_joules < total.requests ? ` (of ${grouped(total.with_joules)})` : '';
    return [
        total.name || total.client, grouped(total.requests), figure(total.prompt_tokens, grouped), figure(total.output_tokens, grouped),
        figure(total.e2e_ms, (ms) => span(ms / 1000)), figure(total.joules, (joules) => short(joules) + part),
        figure(total.joules, (joules) => moneyOf(joules, terms) || NONE), moment(total.newest_us, now_us),
    ];
}

/** The part of the panel, filled by itself. @param {import('../context.js').Context} context */
export function clientsPart({api, bridge, requests}) {
    const note = el('p', {class: 'quiet'}), body = el('tbody');
    const heads = HEADS.map((name, at) => el('th', {scope: 'col', class: at > 0 && at < 7 ? 'right' : null}, name));
    const table = el('table', {class: 'list', 'aria-label': 'Requests by client'}, el('thead', {}, el('tr', {}, ...heads)), body);
    const scroll = el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Requests by client', hidden: true}, table);
    const part = el('section', {class: 'clients', hidden: true}, scroll, note);
    let waits = 0;

    const ask = async () => {
        const answer = await api.ask('clients').catch(() => null);
        if (!answer) return;
        /** @type {Total[]} */
        const found = answer.clients ?? [];
        const terms = termsOf(answer.terms), priced = terms.per_kwh > 0;
        rows(body, found.slice(0, MOST), () => el('tr', {}, ...HEADS.map((_, at) => el('td', {class: at > 0 && at < 7 ? 'right' : null}))), (tr, total) => {
            clientCells(total, terms, bridge.now_us()).forEach((cell, at) => text(tr.children[at], cell));
            attribute(tr.children[0], 'title', total.client);
            hide(/** @type {HTMLElement} */ (tr.children[6]), !priced);
        });
        hide(heads[6], !priced);
        hide(scroll, !found.length);
        note.replaceChildren(...(answer.recorded ? about(found) : ['Who asks is not recorded. To agree: ', el('code', {}, `wfmon settings set ${SETTING} true`)]));
        hide(note, !note.childNodes.length);
        hide(part, false);
    };
    const soon = () => { waits ||= setTimeout(() => { waits = 0; void ask(); }, AGAIN_MS); };
    requests.addEventListener('change', soon);
    bridge.on('link', ({link}) => { if (link.state === 'open') void ask(); });
    bridge.on('events', ({events}) => { if (events.some((/** @type {any} */ {kind}) => kind === 'setting_changed')) void ask(); });
    void ask();
    return part;
}

/** What the table does not say. @param {Total[]} found */
function about(found) {
    if (!found.length) return ['No client has asked since you agreed to record who asks.'];
    const nameless = found.some(({name}) => !name) ? ['A name for a hash: ', el('code', {}, 'wfmon requests name-client HASH NAME')] : [];
    return found.length > MOST ? [`The ${MOST} with the most requests of ${grouped(found.length)}. `, ...nameless] : nameless;
}
