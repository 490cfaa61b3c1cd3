/** Models side by side: synthetic prompts through the tap, and the table of what came out; runs of before can be looked at. */
import {openDialog} from '../dialog.js';
import {el, rows, text} from '../dom.js';
import {NONE, clock, join, memory} from '../format.js';

/** @typedef {import('../context.js').Context} Context */
/** @typedef {{median: number, p25: number, p75: number, n: number}} Spread */
/** @typedef {{model: string, prompt_tokens: number, concurrency: number, counted_prompt_tokens: Spread|null, ttft_ms: Spread|null, tpot_ms: Spread|null, throughput_tps: Spread|null, joules_per_token: number|null, joules_per_token_spread: Spread|null, joules_attribution: string, vram_bytes: number|null, vram_bytes_spread: Spread|null, failed: number, error: string, disturbed: number}} Cell */
/** @typedef {{id: string, start_us: number, end_us: number, state: string, reason: string, now: string, requests: number, requests_done: number, cells: Cell[], plan: {models: string[], rounds: number, output_tokens: number}}} Run */

const EACH_MS = 1000;
const HEADS = ['model', 'prompt', 'at a time', 'TTFT, ms', 'TPOT, ms', 'tokens/s', 'J a token', 'VRAM', 'n', ''];
const HOW = 'Median, and the range from p25 to p75. TTFT: sent to the first token. TPOT: last token less first, over the tokens between. Tokens/s: all streams of a round together.';

/** @param {Spread} spread @param {(value: number) => string} say */
const range = ({median, p25, p75}, say) => `${say(median)} [${say(p25)} to ${say(p75)}]`;

/** @param {Spread|null} spread @param {number} digits */
export function spreadWords(spread, digits) { return spread ? range(spread, (one) => one.toFixed(digits)) : NONE; }

/** Video memory with its range; runs of earlier versions kept one number. @param {Cell} cell */
function vramWords({vram_bytes: bytes, vram_bytes_spread: spread}) {
    if (bytes === null) return NONE;
    const say = (/** @type {number} */ one) => join(memory(one));
    return spread ? range(spread, say) : say(bytes);
}

/** @param {Cell} cell */
function jouleWords({joules_per_token: joules, joules_per_token_spread: spread, joules_attribution: how}) {
    return joules === null ? NONE : `${spread ? spreadWords(spread, 2) : joules.toFixed(2)} (${how})`;
}

/** Why a request failed: the tap's classes as a person would say them. @param {string} error */
function failureWords(error) {
    if (error === 'no_token') return 'no token came';
    const status = /^http_(\d+)$/.exec(error)?.[1];
    return status ? `the runtime answered HTTP ${status}` : error.replaceAll('_', ' ');
}

/** One cell of a run as the words of a row; what was not measured is a dash. @param {Cell} cell */
export function rowWords(cell) {
    const notes = [cell.failed ? `${cell.failed} failed: ${failureWords(cell.error)}` : '', cell.disturbed ? `${cell.disturbed} beside other requests` : ''];
    return [
        cell.model, `${cell.prompt_tokens}${cell.counted_prompt_tokens ? ` (${cell.counted_prompt_tokens.median.toFixed(0)})` : ''}`,
        cell.concurrency ? String(cell.concurrency) : NONE, spreadWords(cell.ttft_ms, 1), spreadWords(cell.tpot_ms, 2), spreadWords(cell.throughput_tps, 1),
        jouleWords(cell), vramWords(cell), cell.ttft_ms ? String(cell.ttft_ms.n) : '0', notes.filter(Boolean).join('; '),
    ];
}

/** What a run is doing, or how it ended. @param {Run} run */
export function stateWords(run) {
    if (run.state === 'running') return `${run.requests_done} of ${run.requests} requests. ${run.now}`;
    const ended = run.state === 'cancelled' ? 'Stopped early.' : run.state === 'failed' ? `Failed: ${run.reason}.` : '';
    const note = run.reason && run.state !== 'failed' ? `Note: ${run.reason}.` : '';
    return [`${run.plan.rounds} rounds, ${run.plan.output_tokens} tokens of output asked for.`, ended, note].filter(Boolean).join(' ');
}

/** @param {Context} context */
export function openCompare(context) {
    const {api} = context.requests;
    const models = el('div', {class: 'together', role: 'group', 'aria-label': 'Models to compare'});
    const start = /** @type {HTMLButtonElement} */ (el('button', {class: 'control', type: 'button'}, 'Compare'));
    const agree = el('input', {type: 'checkbox'}), agreeing = el('label', {hidden: true}, agree, ' all the same');
    const before = /** @type {HTMLSelectElement} */ (el('select', {'aria-label': 'Comparison'}));
    const said = el('p', {class: 'sentence', role: 'status'}), body = el('tbody');
    const right = (/** @type {number} */ at) => (at >= 1 && at <= 8 ? 'right' : null);
    const table = el('table', {class: 'list', hidden: true}, el('thead', {}, el('tr', {}, ...HEADS.map((head, at) => el('th', {scope: 'col', class: right(at)}, head)))), body);
    const dialog = openDialog('Compare models', el('p', {class: 'quiet'}, 'Random words of 128 and 1024 tokens, 64 tokens of answer, one and four at a time, five rounds: through the tap, kept on this machine.'),
        models, el('div', {class: 'together'}, start, agreeing, before), said, el('div', {class: 'scroll', tabindex: '0', role: 'region', 'aria-label': 'Results'}, table), el('p', {class: 'quiet'}, HOW));
    dialog.classList.add('wide', 'compare');
    /** @type {Run[]} */
    let runs = [];
    let timer = 0;

    const draw = () => {
        const chosen = runs.find(({id}) => id === before.value) ?? runs[0], running = runs.some(({state}) => state === 'running');
        text(start, running ? 'Stop' : 'Compare');
        before.hidden = runs.length < 2;
        table.hidden = !chosen?.cells.length;
        if (!chosen) return;
        text(said, stateWords(chosen));
        rows(body, chosen.cells, () => el('tr', {}, ...HEADS.map((_, at) => el('td', {class: right(at)}))), (tr, cell) => rowWords(cell).forEach((words, at) => text(tr.children[at], words)));
    };
    const look = async () => {
        clearTimeout(timer);
        try {
            runs = (await api.ask('compare?limit=50')).runs;
            const shown = before.value;
            before.replaceChildren(...runs.map((run) => el('option', {value: run.id}, `${clock(run.start_us)} ${run.plan.models.join(', ')}`)));
            before.value = runs.some(({id}) => id === shown) && runs[0].state !== 'running' ? shown : runs[0]?.id ?? '';
            draw();
        } catch (error) {
            text(said, /** @type {Error} */ (error).message);
        }
        if (dialog.open && runs.some(({state}) => state === 'running')) timer = window.setTimeout(look, EACH_MS);
    };
    const begin = async () => {
        const running = runs.find(({state}) => state === 'running');
        const chosen = [...models.querySelectorAll('input')].filter(({checked}) => checked).map(({value}) => value);
        if (!running && !chosen.length) return text(said, 'Choose at least one model.');
        start.disabled = true;
        try {
            if (running) await api.ask(`compare/${running.id}/cancel`, {});
            else await api.ask('compare', {models: chosen, load: agree.checked, anyway: agree.checked});
            agreeing.hidden = true;
            agree.checked = false;
            before.value = '';
            await look();
        } catch (error) {
            // A request of the person runs, or a model would have to be loaded: it says so, and waits for a yes.
            text(said, /** @type {Error} */ (error).message);
            agreeing.hidden = false;
        }
        start.disabled = false;
    };
    start.addEventListener('click', () => void begin());
    before.addEventListener('change', draw);
    dialog.addEventListener('close', () => clearTimeout(timer));
    void api.ask('routes').then(({routes}) => {
        const names = [.../** @type {Set<string>} */ (new Set(routes.map((/** @type {{prefix: string}} */ {prefix}) => prefix).filter((/** @type {string} */ name) => name && !name.startsWith('/') && !name.endsWith('*'))))].slice(0, 32);
        models.replaceChildren(...names.map((name, at) => el('label', {}, el('input', {type: 'checkbox', value: name, checked: at < 2}), ` ${name}`)));
        if (!names.length) text(said, 'No model was found. Start a runtime, or name its address: wfmon tap routes --set.');
    }, (error) => text(said, error.message));
    void look();
}
