/** Questions of the main thread to the gateway. Errors are sentences for people. */

export class Api {
    constructor() {
        this.token = '';
    }

    /** @param {string} path @param {object} [body] present: POST @returns {Promise<any>} */
    async ask(path, body) {
        let answer;
        try {
            answer = await fetch(`./api/v1/${path}`, {
                method: body ? 'POST' : 'GET',
                headers: {Authorization: `Bearer ${this.token}`, ...(body ? {'Content-Type': 'application/json'} : {})},
                ...(body ? {body: JSON.stringify(body)} : {}),
            });
        } catch {
            throw new Error('The monitor does not answer. Look at `wfmon status`.');
        }
        const found = await answer.json().catch(() => ({}));
        if (!answer.ok) throw new Error(reasonOf(found) || `The monitor refused ${path.split('?')[0]} (HTTP ${answer.status}).`);
        return found;
    }
}

/** @param {any} body */
function reasonOf(body) {
    const {error} = body;
    if (typeof error === 'string') return error;
    return error ? [`${error.what}:`, error.why, error.mend].filter((part) => typeof part === 'string').join(' ') : '';
}
