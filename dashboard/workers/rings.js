/**
 * Rows of the last minutes, one ring a table, one column a series.
 *
 * A ring is a buffer twice its capacity: rows are appended, and the newest half is moved to the front
 * when it is full. So what is held is always one contiguous, sorted run, and a window of time is two
 * binary searches and a subarray.
 */

/** @typedef {import('../types').SeriesKey} SeriesKey */
/** @typedef {import('../types').LiveTable} LiveTable */

/** The page asks for five minutes at most; the rest is a query. */
export const HELD_S = 310;
/** A table may come faster than its rate says: its ring grows up to a row a drawn frame, and to 8 MiB of values. */
const MOST_HZ = 60, MOST_VALUES = 2 ** 19;

/** @param {SeriesKey} key @param {string} tableSource */
export function seriesId(key, tableSource) {
    const labels = key.labels.map((label) => `${label.name}=${label.value}`).join(',');
    return `${key.metric}|${key.source || tableSource}|${labels}`;
}

/** Index of the first time > t. @param {Float64Array} times @param {number} start @param {number} end @param {number} t */
export function upperBound(times, start, end, t) {
    let low = start, high = end;
    while (low < high) {
        const middle = (low + high) >> 1;
        if (times[middle] <= t) low = middle + 1;
        else high = middle;
    }
    return low;
}

export class Ring {
    /** @param {string} source @param {number} rateHz @param {string[]} ids @param {SeriesKey[]} keys */
    constructor(source, rateHz, ids, keys) {
        this.source = source;
        this.rate_hz = rateHz;
        this.ids = ids;
        this.keys = keys;
        this.capacity = Math.max(16, Math.ceil(HELD_S * Math.max(rateHz, 1)));
        this.times = new Float64Array(2 * this.capacity);
        this.columns = ids.map(() => new Float64Array(2 * this.capacity));
        this.start = 0;
        this.end = 0;
    }

    get newest_us() { return this.end > this.start ? this.times[this.end - 1] : NaN; }

    get oldest_us() { return this.end > this.start ? this.times[this.start] : NaN; }

    get period_us() { return 1e6 / (this.rate_hz || 1); }

    /**
     * Takes the rows of a table; those already held are left out. Rows older than the newest held (a
     * backfill) are merged into their place.
     * @param {number[]} times @param {number[]} values column-major
     * @returns {number} rows taken
     */
    take(times, values) {
        const rows = times.length;
        if (!rows) return 0;
        this.stretch(times);
        if (times[0] < this.newest_us) return this.merge(times, values);
        let taken = 0;
        for (let row = 0; row < rows; row++) {
            if (this.end > this.start && times[row] <= this.newest_us) continue;
            if (this.end === this.times.length) this.compact();
            this.times[this.end] = times[row];
            for (let column = 0; column < this.columns.length; column++) {
                this.columns[column][this.end] = values[column * rows + row];
            }
            this.end++;
            taken++;
        }
        if (this.end - this.start > this.capacity) this.start = this.end - this.capacity;
        return taken;
    }

    /** Room for rows that come, where others would be lost that are younger than HELD_S. @param {number[] | Float64Array} times */
    stretch(times) {
        const rows = this.end - this.start, first_us = times[0], last_us = times[times.length - 1];
        if (rows + times.length <= this.capacity) return;
        const held_us = rows ? Math.max(this.newest_us, last_us) - Math.min(this.oldest_us, first_us) : last_us - first_us;
        const most = Math.min(HELD_S * MOST_HZ, Math.floor(MOST_VALUES / (this.ids.length || 1)));
        const capacity = Math.min(Math.max(2 * this.capacity, rows + times.length), most);
        if (held_us >= 0.99 * HELD_S * 1e6 || capacity <= this.capacity) return;
        this.capacity = capacity;
        const longer = (/** @type {Float64Array} */ old) => {
            const next = new Float64Array(2 * capacity);
            next.set(old.subarray(this.start, this.end));
            return next;
        };
        this.times = longer(this.times);
        this.columns = this.columns.map(longer);
        this.end -= this.start;
        this.start = 0;
    }

    compact() {
        const from = Math.max(this.start, this.end - this.capacity + 1);
        this.times.copyWithin(0, from, this.end);
        for (const column of this.columns) column.copyWithin(0, from, this.end);
        this.end -= from;
        this.start = 0;
    }

    /** @param {number[]} times @param {number[]} values */
    merge(times, values) {
        const rows = times.length, held = this.end - this.start;
        /** @type {[number, number][]} time, and the row: below 0 is a held one */
        const order = [];
        const known = new Set(this.times.subarray(this.start, this.end));
        for (let i = 0; i < held; i++) order.push([this.times[this.start + i], -1 - i]);
        let taken = 0;
        for (let row = 0; row < rows; row++) {
            if (known.has(times[row])) continue;
            order.push([times[row], row]);
            taken++;
        }
        if (!taken) return 0;
        order.sort((a, b) => a[0] - b[0]);
        const kept = order.slice(-this.capacity);
        const columns = this.columns.map((column, index) => {
            const next = new Float64Array(2 * this.capacity);
            kept.forEach(([, row], at) => { next[at] = row < 0 ? column[this.start - 1 - row] : values[index * rows + row]; });
            return next;
        });
        kept.forEach(([time], at) => { this.times[at] = time; });
        this.columns = columns;
        this.start = 0;
        this.end = kept.length;
        return taken;
    }

    /** The same rows under another list of series; a new one has no values before now. @param {string[]} ids @param {SeriesKey[]} keys @param {number} rateHz */
    reshaped(ids, keys, rateHz) {
        const next = new Ring(this.source, rateHz, ids, keys);
        next.stretch(this.times.subarray(this.start, this.end));
        const rows = Math.min(this.end - this.start, next.capacity), from = this.end - rows;
        next.times.set(this.times.subarray(from, this.end));
        ids.forEach((id, column) => {
            const old = this.ids.indexOf(id);
            if (old < 0) next.columns[column].fill(NaN, 0, rows);
            else next.columns[column].set(this.columns[old].subarray(from, this.end));
        });
        next.end = rows;
        return next;
    }
}

/** All tables of the machine, found again by the number a frame gives them. */
export class Rings {
    constructor() {
        /** @type {Map<number, {schema: number, ring: Ring}>} by the table's number in this epoch */
        this.byNumber = new Map();
        /** @type {Ring[]} */
        this.all = [];
        /** @type {Map<string, {ring: Ring, column: number, key: SeriesKey}>} */
        this.series = new Map();
        /** Grows when a series comes; the page then learns the names anew. */
        this.version = 0;
        /** @type {Map<string, {ring: Ring, column: number, key: SeriesKey}[]>} */
        this.byMetric = new Map();
        this.indexed = -1;
        this.epoch = 0;
    }

    /** Numbers are only good in their epoch. @param {number} epoch */
    enter(epoch) {
        if (epoch === this.epoch) return;
        this.epoch = epoch;
        this.byNumber.clear();
    }

    /** @param {LiveTable} table @returns {boolean} false: its names are not known, a key frame is needed */
    take(table) {
        let known = this.byNumber.get(table.id);
        if (!known || known.schema !== table.schema) {
            if (!table.series.length) return false;
            known = {schema: table.schema, ring: this.shape(table)};
            this.byNumber.set(table.id, known);
        }
        known.ring.rate_hz = table.rate_hz || known.ring.rate_hz;
        known.ring.take(table.times_us, table.values);
        return true;
    }

    /** The ring for a table whose names have just come. @param {LiveTable} table */
    shape(table) {
        const ids = table.series.map((key) => seriesId(key, table.source));
        const keys = table.series.map((key) => ({...key, source: key.source || table.source}));
        const before = this.series.get(ids.find((id) => this.series.has(id)) ?? '')?.ring;
        const same = before && before.ids.length === ids.length && before.ids.every((id, index) => id === ids[index]);
        if (before && same) return before;
        const ring = before ? before.reshaped(ids, keys, table.rate_hz) : new Ring(table.source, table.rate_hz, ids, keys);
        if (before) this.drop(before);
        this.all.push(ring);
        ids.forEach((id, column) => this.series.set(id, {ring, column, key: keys[column]}));
        this.version++;
        return ring;
    }

    /** @param {Ring} ring */
    drop(ring) {
        this.all = this.all.filter((other) => other !== ring);
        for (const id of ring.ids) if (this.series.get(id)?.ring === ring) this.series.delete(id);
        for (const [number, known] of this.byNumber) if (known.ring === ring) this.byNumber.delete(number);
    }

    /** @param {string} metric @param {string} [source] */
    matching(metric, source) {
        if (this.indexed !== this.version) {
            this.indexed = this.version;
            this.byMetric.clear();
            for (const one of this.series.values()) {
                const same = this.byMetric.get(one.key.metric);
                if (same) same.push(one);
                else this.byMetric.set(one.key.metric, [one]);
            }
        }
        const found = this.byMetric.get(metric) ?? [];
        return source ? found.filter(({key}) => key.source === source) : [...found];
    }

    /** The newest row of any table: how far the page has seen. */
    get newest_us() {
        let newest = NaN;
        for (const ring of this.all) if (!(ring.newest_us <= newest)) newest = ring.newest_us;
        return newest;
    }
}
