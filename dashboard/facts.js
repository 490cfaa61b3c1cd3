/** What models are, as their runtimes told it (CONTRACTS §1, "info"): asked for when the page opens, and again when an event tells of one. */

/** @typedef {import('./types').MonitorEvent} MonitorEvent */

const TELLING = ['model_info', 'model_load'];

/** Fires `change`. */
export class Facts extends EventTarget {
    /** @param {import('./api.js').Api} api @param {import('./bridge.js').Bridge} bridge @param {import('./events.js').Events} events */
    constructor(api, bridge, events) {
        super();
        this.api = api;
        /** @type {Map<string, Map<string, string>>} */
        this.known = new Map();
        let newest_us = 0;
        bridge.on('link', ({link}) => { if (link.state === 'open') void this.load(); });
        events.addEventListener('change', () => {
            const told = events.all.filter(({kind, time_us}) => TELLING.includes(kind) && time_us > newest_us);
            if (!told.length) return;
            newest_us = told[told.length - 1].time_us;
            for (const event of told) this.learn(event.source, event.attributes);
            this.dispatchEvent(new Event('change'));
        });
    }

    async load() {
        // Names and numbers stand without it; what is not known is not shown.
        const {info = []} = await this.api.ask('info?subject=model:*').catch(() => ({}));
        for (const {subject, name, value} of info) this.learn(subject, {[name]: value});
        if (info.length) this.dispatchEvent(new Event('change'));
    }

    /** @param {string} subject @param {Record<string, string>} attributes */
    learn(subject, attributes) {
        const known = this.known.get(subject) ?? new Map();
        for (const [name, value] of Object.entries(attributes)) known.set(name, String(value));
        this.known.set(subject, known);
    }

    /** '' where its runtime does not tell. @param {string} model @param {string} name quantisation, parameters, version … */
    of(model, name) { return this.known.get(`model:${model}`)?.get(name) ?? ''; }

    /** Tokens that its context holds; NaN: not told. @param {string} model */
    context(model) {
        const tokens = Number(this.of(model, 'context_length') || NaN);
        return tokens > 0 ? tokens : NaN;
    }
}
