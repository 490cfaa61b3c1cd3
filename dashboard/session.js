/**
 * The page's key. `wfmon open` gives a one-use code in the fragment, which no server or log ever sees; it is
 * exchanged for a token that stays in this tab's sessionStorage. A new tab asks the open ones.
 */

const KEY = 'wfmon.token';
const CHANNEL = 'wfmon.session';
/** An open tab answers in a few ms; longer than this, there is none. */
const ASK_MS = 400;

const channel = new BroadcastChannel(CHANNEL);
channel.addEventListener('message', ({data}) => {
    const token = sessionStorage.getItem(KEY);
    if (data?.ask === true && token) channel.postMessage({token});
});

/** @returns {Promise<string|null>} */
function askOtherTabs() {
    return new Promise((resolve) => {
        const stop = setTimeout(() => { channel.removeEventListener('message', listen); resolve(null); }, ASK_MS);
        const listen = (/** @type {MessageEvent} */ {data}) => {
            if (typeof data?.token !== 'string') return;
            clearTimeout(stop);
            channel.removeEventListener('message', listen);
            resolve(data.token);
        };
        channel.addEventListener('message', listen);
        channel.postMessage({ask: true});
    });
}

/** Takes the code out of the address, so neither history nor a copied link holds it. */
function takeCode() {
    const fragment = new URLSearchParams(location.hash.slice(1));
    const code = fragment.get('code');
    if (code === null) return null;
    fragment.delete('code');
    const rest = fragment.toString();
    history.replaceState(null, '', `${location.pathname}${location.search}${rest ? `#${rest}` : ''}`);
    return code;
}

/** @param {string} code */
async function exchange(code) {
    const answer = await fetch('./api/v1/session', {
        method: 'POST', headers: {'Content-Type': 'application/json'}, body: JSON.stringify({code}),
    });
    return answer.ok ? String((await answer.json()).token) : null;
}

/** @returns {Promise<{token: string|null, reason: string}>} reason: why there is none, for people */
export async function openSession() {
    const code = takeCode();
    let reason = 'This page has no key to the monitor yet.';
    if (code) {
        try {
            const token = await exchange(code);
            if (token) return keep(token);
            reason = 'The key in this address has been used, or is too old.';
        } catch {
            reason = 'The monitor does not answer.';
        }
    }
    const token = sessionStorage.getItem(KEY) ?? await askOtherTabs();
    return token ? keep(token) : {token: null, reason};
}

/** @param {string} token */
function keep(token) {
    sessionStorage.setItem(KEY, token);
    return {token, reason: ''};
}

/** The key is not known any more (the home was renewed): another tab may have a newer one. @param {string} old */
export async function renewSession(old) {
    sessionStorage.removeItem(KEY);
    const token = await askOtherTabs();
    return token && token !== old ? keep(token).token : null;
}
