/**
 * The recording dot: what is recorded on this machine's disk, and one click stops it. A stop is a change of
 * `recording.enabled` like any other (audited, reversible), so "Undo" stands beside it.
 */
import {byId, text} from './dom.js';

/** @typedef {import('./context.js').Context} Context */

const KEY = 'recording.enabled';
const LOOK_MS = 10_000;

/** @param {Context} context */
export function mountRecording({api, bridge}) {
    const button = /** @type {HTMLButtonElement} */ (byId('recording')), undo = byId('recording-undo'), said = byId('recording-text'), dot = byId('record-dot');
    /** @type {boolean|null} null: not known */
    let on = null;
    let change = '', problem = '';
    let what = 'machine';

    const draw = () => {
        dot.classList.toggle('off', on !== true);
        text(said, problem || (on === null ? 'recording: not known' : on ? `recording: ${what}` : 'not recording'));
        button.title = on ? `Written to this machine's disk: ${what}; processes by a number, never by name without your consent. Click to stop.` : 'Nothing new is written to disk. Click to record again.';
        button.setAttribute('aria-pressed', String(on === true));
        undo.hidden = !change;
    };
    const look = async () => {
        if (document.hidden) return;
        try {
            const answer = await api.ask(`settings?prefix=${KEY}`);
            const found = (answer.settings ?? []).find((/** @type {any} */ one) => one.key === KEY);
            on = found ? truth(found.value) : null;
            problem = '';
        } catch {
            on = null;
        }
        draw();
    };
    const ask = async (/** @type {string} */ path, /** @type {object} */ body) => {
        button.disabled = true;
        try {
            return await api.ask(path, body);
        } catch (error) {
            problem = error instanceof Error ? error.message : String(error);
            return null;
        } finally {
            button.disabled = false;
        }
    };
    button.addEventListener('click', async () => {
        const answer = await ask('settings', {key: KEY, value: on === false});
        if (answer) {
            change = String(answer.change?.id ?? '');
            on = on === false;
        }
        draw();
    });
    undo.addEventListener('click', async () => {
        if (await ask('settings/undo', {change_id: change})) {
            change = '';
            await look();
            button.focus();
        }
        draw();
    });
    bridge.on('events', ({events}) => {
        if (events.some((/** @type {any} */ event) => event.kind === 'setting_changed')) void look();
    });
    bridge.on('link', ({link}) => { if (link.state === 'open') void look(); });
    setInterval(look, LOOK_MS);
    void api.ask('recorded').then((answer) => { what = recordedWords(answer) || what; draw(); }, () => {});
    draw();
}

/** A setting's value is JSON in a text; either is taken. @param {any} value */
function truth(value) {
    return value === true || value === 'true';
}

/** Classes as the header has room for them; processes (by number) and what other programs send go with the machine. */
const NAMES = /** @type {Record<string, string>} */ ({ux: 'page', processes: '', custom: ''});

/** "machine, models" of what /api/v1/recorded says is written to disk now. @param {any} answer */
export function recordedWords(answer) {
    const classes = Array.isArray(answer?.classes) ? answer.classes : [];
    return classes
        .filter((/** @type {any} */ one) => one.recording === true && ['on', 'numbers'].includes(one.recorded))
        .map((/** @type {any} */ one) => NAMES[one.name] ?? String(one.name)).filter(Boolean).join(', ');
}
