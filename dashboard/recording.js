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
    /** @type {string|null} null: not known */
    let what = null;
    let stale = true, looking = false, again = false;

    const draw = () => {
        dot.classList.toggle('off', on !== true || what === '');
        text(said, problem || (on === null ? 'recording: not known' : on ? `recording${what === null ? '' : `: ${what || 'nothing'}`}` : 'not recording'));
        button.title = titleOf(on, what);
        button.setAttribute('aria-pressed', String(on === true));
        undo.hidden = !change;
    };
    const look = async () => {
        again = true;
        if (document.hidden || looking) return;
        looking = true;
        while (again) {
            again = false;
            try {
                const answer = await api.ask(`settings?prefix=${KEY}`);
                const found = (answer.settings ?? []).find((/** @type {any} */ one) => one.key === KEY);
                on = found ? truth(found.value) : null;
                problem = '';
            } catch {
                on = what = null;
                stale = true;
            }
            if (stale && on !== null) {
                stale = false;
                try {
                    what = recordedWords(await api.ask('recorded'));
                } catch {
                    what = null;
                    stale = true;
                }
            }
            draw();
        }
        looking = false;
    };
    const lookAnew = () => {
        stale = true;
        void look();
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
        if (events.some((/** @type {any} */ event) => event.kind === 'setting_changed')) lookAnew();
    });
    bridge.on('link', ({link}) => { if (link.state === 'open') lookAnew(); });
    document.addEventListener('visibilitychange', look);
    setInterval(look, LOOK_MS);
    void look();
    draw();
}

/** A setting's value is JSON in a text; either is taken. @param {any} value */
function truth(value) {
    return value === true || value === 'true';
}

/** Classes as the header has room for them; processes (by number) and what other programs send go with the machine. */
const NAMES = /** @type {Record<string, string>} */ ({ux: 'page', processes: '', custom: '', process_names: 'process names', client: 'clients'});

/** "machine, models" of what /api/v1/recorded says is written to disk now; records of requests go with the models. @param {any} answer */
export function recordedWords(answer) {
    const written = [...answer?.classes ?? [], ...answer?.besides ?? []].filter((/** @type {any} */ one) => one.recording === true).map((one) => String(one.name));
    return written.filter((name) => name !== 'requests' || !written.includes('models')).map((name) => NAMES[name] ?? name).filter(Boolean).join(', ');
}

/** What is written and what a click does. @param {boolean|null} on null: not known @param {string|null} what */
export function titleOf(on, what) {
    if (on === null) return `Whether anything is written to disk is not known; it is asked again every ${LOOK_MS / 1000} seconds. Click to stop.`;
    if (!on) return 'Nothing new is written to disk. Click to record again.';
    if (what === '') return 'Nothing is written to disk: each class is switched off (`wfmon settings list` shows their switches). Click to stop for good.';
    return `Written to this machine's disk: ${what ?? 'not known'}; processes by a number, never by name without your consent. Click to stop.`;
}
