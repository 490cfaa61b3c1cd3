/** The rows of a model's metrics in the rings, found once for each shape of them. */

/** @typedef {import('./energy-shapes.js').Rows} Rows */

export class ModelRows {
    /** @param {import('./rings.js').Rings} rings */
    constructor(rings) {
        this.rings = rings;
        this.version = -1;
        /** @type {Map<string, {ring: import('./rings.js').Ring, column: number}|null>} */
        this.places = new Map();
    }

    /** @param {string} model @param {string} metric */
    place(model, metric) {
        if (this.version !== this.rings.version) {
            this.version = this.rings.version;
            this.places.clear();
        }
        const name = `${metric} ${model}`;
        let place = this.places.get(name);
        if (place === undefined) {
            const found = this.rings.matching(metric, `model:${model}`);
            place = found.find(({key}) => !key.labels.length) ?? found[0] ?? null;
            this.places.set(name, place);
        }
        return place;
    }

    /** @param {string} model @param {string} metric @returns {Rows|null} null: nobody tells it */
    rows(model, metric) {
        const own = this.place(model, metric);
        if (!own) return null;
        const {ring, column} = own;
        return {times: ring.times, values: ring.columns[column], start: ring.start, end: ring.end, period_us: ring.period_us};
    }

    /** @param {string} model @param {string} metric NaN: never told */
    newest(model, metric) {
        const rows = this.rows(model, metric);
        return rows && rows.end > rows.start ? rows.values[rows.end - 1] : NaN;
    }
}
