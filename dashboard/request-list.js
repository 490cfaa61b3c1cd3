/**
 * The list of requests in the order that a person chose: pages as the gateway has them, and among them what ended since.
 * What was not measured stands last, either way.
 */

/** @typedef {import('./types').RequestRecord} RequestRecord */
/** @typedef {{name: string, ascending: boolean}} Order */
/** @typedef {{records: RequestRecord[], more: boolean, next?: string}} Page */

export const PAGE = 100;
/** Rows that nobody reads any more are laid out all the same; `wfmon requests --after` goes on from here. */
export const MOST = 1000;
const KEY = 'wfmon.requests.order';

/** What the gateway can order by, and what that is of a record. @type {Record<string, (record: RequestRecord) => number|string|null|undefined>} */
const VALUES = {
    time: ({start_us}) => start_us, model: ({model}) => model, ttft: ({ttft_ms}) => ttft_ms, e2e: ({e2e_ms}) => e2e_ms, tpot: ({tpot_ms}) => tpot_ms,
    prompt: ({prompt_tokens}) => prompt_tokens, output: ({output_tokens}) => output_tokens, joules: ({joules}) => joules, outcome: ({error, finish_reason}) => error || finish_reason || null,
};

/** @param {Order} order @returns {(a: RequestRecord, b: RequestRecord) => number} equal ones newest first */
export function comparing({name, ascending}) {
    const valueOf = VALUES[name];
    const of = (/** @type {RequestRecord} */ record) => {
        const value = valueOf(record);
        return value === undefined || value !== value ? null : value;
    };
    return (a, b) => {
        const one = of(a), other = of(b);
        if (one === other) return b.start_us - a.start_us;
        if (one === null || other === null) return one === null ? 1 : -1;
        return one < other === ascending ? -1 : 1;
    };
}

/** @param {string|null} kept @returns {Order} */
function orderFrom(kept) {
    const [name, way] = (kept ?? '').split(' ');
    return Object.hasOwn(VALUES, name) ? {name, ascending: way === 'ascending'} : {name: 'time', ascending: false};
}

export class RequestList {
    /**
     * @param {(query: string) => Promise<Page>} ask a page of the gateway @param {() => RequestRecord[]} recent what ended, as this page has heard of it
     * @param {Pick<Storage, 'getItem'|'setItem'>} memory keeps the order for the visit
     */
    constructor(ask, recent, memory) {
        this.ask = ask;
        this.recent = recent;
        this.memory = memory;
        this.order = orderFrom(memory.getItem(KEY));
        /** @type {Map<string, RequestRecord>} */
        this.held = new Map();
        /** The last of the pages that are here. @type {RequestRecord|undefined} */
        this.last = undefined;
        /** Where the next page begins while those under way fill all that was asked for. */
        this.next_id = '';
        this.pages = 0;
        this.more = false;
        this.question = 0;
        /** How many questions of a person are under way. */
        this.wishes = 0;
    }

    /** Whether it is in the order in which the page asks anyway. */
    get newest() { return this.order.name === 'time' && !this.order.ascending; }

    /** What is shown. Where more is behind the last page, what would stand there is not: others may belong between. */
    get rows() {
        const before = comparing(this.order), {last, more, held} = this;
        const known = new Map([...held, ...this.recent().map((record) => /** @type {const} */ ([record.id, record]))]);
        const shown = [...known.values()].filter((record) => !more || !last || held.has(record.id) || before(record, last) < 0);
        return shown.sort(before).slice(0, MOST);
    }

    /** Whether another page can be asked for. */
    get goesOn() { return this.more && this.held.size < MOST; }

    /** The first page, again: others that are here stay. While a person's question is under way it is not taken: the answer goes on from what is here. @param {Page} page */
    take(page) {
        if (this.wishes) return;
        if (this.pages > 1) this.merge(page.records);
        else this.begin(page);
    }

    /** @param {Page} page the first one, and nothing behind it yet */
    begin({records, more, next = ''}) {
        this.held = new Map(records.map((record) => [record.id, record]));
        this.last = records.at(-1);
        this.next_id = next;
        this.more = more;
        this.pages = 1;
    }

    /** Others beside those that are here; over the bound the last ones go, and are then behind the last page. @param {RequestRecord[]} records */
    merge(records) {
        for (const record of records) this.held.set(record.id, record);
        if (this.held.size <= MOST) return;
        const {rows} = this;
        this.held = new Map(rows.map((record) => [record.id, record]));
        this.last = rows.at(-1);
        this.more = true;
    }

    /** @param {Order} order @returns {Promise<Page>} */
    first({name, ascending}) { return this.ask(`limit=${PAGE}&order=${name}&ascending=${Number(ascending)}`); }

    /** Asks for the first page again, of itself: it disturbs nothing that a person has asked. */
    async load() {
        const {order} = this, page = await this.first(order);
        if (order === this.order) this.take(page);
    }

    /** What a person asks; only the latest is answered. @param {() => Promise<Page>} ask @param {(page: Page) => void} use */
    async wish(ask, use) {
        const question = ++this.question;
        this.wishes += 1;
        try {
            const page = await ask();
            if (question === this.question) use(page);
        } finally {
            this.wishes -= 1;
        }
    }

    /** The list in another order, once its first page is here: until then the old one is no lie. @param {Order} order */
    async put(order) {
        await this.wish(() => this.first(order), (page) => {
            this.order = order;
            this.memory.setItem(KEY, `${order.name} ${order.ascending ? 'ascending' : 'descending'}`);
            this.begin(page);
        });
    }

    async next() {
        const {last, order: {name, ascending}} = this, after = last?.id ?? this.next_id;
        if (!after || !this.goesOn) return;
        await this.wish(() => this.ask(`limit=${PAGE}&order=${name}&ascending=${Number(ascending)}&after_id=${encodeURIComponent(after)}`), ({records, more, next = ''}) => {
            this.last = records.at(-1) ?? last;
            this.next_id = next;
            this.more = more;
            this.pages += 1;
            this.merge(records);
        });
    }
}
