/** The rows of a model's metrics in the rings, found once for each shape of them. */

/** @typedef {import('./energy-shapes.js').Rows} Rows */
/** @typedef {{ring: import('./rings.js').Ring, column: number}} Place */
/** @typedef {{other: string, rows: Rows}} Beside rows of a pair; other '' where it is not told which */

/** @param {Place} place @returns {Rows} */
const rowsAt = ({ring, column}) => ({times: ring.times, values: ring.columns[column], start: ring.start, end: ring.end, period_us: ring.period_us});

export class ModelRows {
    /** @param {import('./rings.js').Rings} rings */
    constructor(rings) {
        this.rings = rings;
        this.version = -1;
        /** @type {Map<string, Place|null>} */
        this.places = new Map();
        /** @type {Map<string, {other: string, place: Place}[]>} */
        this.pairs = new Map();
    }

    /** What was found of another shape is forgotten. */
    refresh() {
        if (this.version === this.rings.version) return;
        this.version = this.rings.version;
        this.places.clear();
        this.pairs.clear();
    }

    /** @param {string} model @param {string} metric */
    place(model, metric) {
        this.refresh();
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
        return own && rowsAt(own);
    }

    /** @param {string} model @param {string} metric of pairs @returns {Beside[]} of each pair that it was in */
    beside(model, metric) {
        this.refresh();
        const name = `${metric} ${model}`;
        let found = this.pairs.get(name);
        if (!found) {
            found = this.rings.matching(metric, `model:${model}`).map((place) => ({other: place.key.labels.find((label) => label.name === 'other')?.value ?? '', place}));
            this.pairs.set(name, found);
        }
        return found.map(({other, place}) => ({other, rows: rowsAt(place)}));
    }

    /** @param {string} model @param {string} metric NaN: never told */
    newest(model, metric) {
        const rows = this.rows(model, metric);
        return rows && rows.end > rows.start ? rows.values[rows.end - 1] : NaN;
    }
}
