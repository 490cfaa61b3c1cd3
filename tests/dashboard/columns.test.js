import assert from 'node:assert/strict';
import {test} from 'node:test';
import {condense, gapsOf, plotColumns, stepFor} from '../../dashboard/workers/columns.js';
import {emptyRuns} from '../../dashboard/workers/history.js';
import {Rings} from '../../dashboard/workers/rings.js';

const SECOND = 1e6;

/** A ring of 10 Hz rows; `value` of the row's time in s. @param {number[]} times_s @param {(s: number) => number[]} values */
function ringsOf(times_s, values, rate_hz = 10) {
    const rings = new Rings();
    rings.enter(1);
    const rows = times_s.map(values), columns = rows[0].length;
    rings.take({
        id: 1, schema: 1, rate_hz, source: 'system', group: 2, times_us: times_s.map((s) => Math.round(s * SECOND)),
        values: Array.from({length: columns}, (_, c) => rows.map((row) => row[c])).flat(),
        series: Array.from({length: columns}, (_, c) => ({metric: 'm', source: '', labels: [{name: 'core', value: String(c)}]})),
    });
    return rings;
}

const range = (from, to) => Array.from({length: Math.round((to - from) * 10)}, (_, i) => Math.round(from * 10 + i + 1) / 10);

test('mean, least and greatest are those of the rows in each column', () => {
    // The slow, obvious way beside the one under test.
    const times = range(0, 20), value = (s) => Math.sin(s * 7) * 50 + s;
    const [ring] = ringsOf(times, (s) => [value(s)]).all;
    const [mean, least, most] = condense(ring, [0], 'one', 2 * SECOND, 0.5 * SECOND, 20);
    for (let at = 0; at < 20; at++) {
        const inside = times.filter((s) => s > 2 + at / 2 && s <= 2.5 + at / 2).map(value);
        assert.ok(Math.abs(mean[at] - inside.reduce((a, b) => a + b) / inside.length) < 1e-9);
        assert.equal(least[at], Math.min(...inside));
        assert.equal(most[at], Math.max(...inside));
    }
});

test('a spike of one sample is still there when a column holds many', () => {
    const rings = ringsOf(range(0, 300), (s) => [s === 123.4 ? 100 : 1]);
    const {ys} = plotColumns(rings, {id: 'x', lines: [{metric: 'm', how: 'one'}], columns: 100}, 0, 300 * SECOND);
    assert.equal(Math.max(...ys[2].filter((v) => v === v)), 100);
});

test('columns stand on the same grid while the window moves', () => {
    const rings = ringsOf(range(0, 100), (s) => [s]);
    const spec = {id: 'x', lines: [{metric: 'm', how: 'one'}], columns: 60};
    const one = plotColumns(rings, spec, 20 * SECOND, 80 * SECOND), two = plotColumns(rings, spec, 20.37 * SECOND, 80.37 * SECOND);
    const placed = new Map([...one.x].map((x, at) => [(x + one.origin_s).toFixed(3), one.ys[0][at]]));
    const shared = [...two.x].slice(2, -3).map((x, at) => [(x + two.origin_s).toFixed(3), two.ys[0][at + 2]]);
    for (const [time, value] of shared) assert.equal(placed.get(time), value);
});

test('one missing row is held over, two make a gap that is not bridged', () => {
    const times = range(0, 10).filter((s) => s !== 3 && !(s > 5 && s <= 5.4));
    const rings = ringsOf(times, (s) => [s]);
    const [ring] = rings.all;
    assert.deepEqual(gapsOf(ring, 0, 10 * SECOND), [[5 * SECOND, 5.5 * SECOND]]);
    const [mean] = condense(ring, [0], 'one', 0, 0.1 * SECOND, 100);
    assert.ok(Math.abs(mean[29] - 2.9) < 1e-9, 'held');
    assert.deepEqual([...mean.slice(50, 54)], [NaN, NaN, NaN, NaN]);
});

test('what has not come for a second is a gap that grows to now', () => {
    const [ring] = ringsOf(range(0, 10), (s) => [s]).all;
    assert.deepEqual(gapsOf(ring, 0, 10.8 * SECOND), []);
    assert.deepEqual(gapsOf(ring, 0, 12 * SECOND), [[10 * SECOND, 12 * SECOND]]);
});

test('an absent value breaks the line without being a gap', () => {
    const rings = ringsOf(range(0, 10), (s) => [s > 4 && s <= 6 ? NaN : s]);
    const {ys, gaps} = plotColumns(rings, {id: 'x', lines: [{metric: 'm', how: 'one'}], columns: 10}, 0, 10 * SECOND);
    assert.deepEqual(gaps, []);
    assert.deepEqual([...ys[0].slice(4, 6)], [NaN, NaN]);
});

test('sum and maximum are taken row by row, over those that are there', () => {
    const rings = ringsOf(range(0, 2), (s) => [1, s > 1 ? NaN : 10]);
    const of = (how) => plotColumns(rings, {id: 'x', lines: [{metric: 'm', how}], columns: 2}, 0, 2 * SECOND).ys[0];
    assert.deepEqual([...of('sum').slice(0, 2)], [11, 1]);
    assert.deepEqual([...of('max').slice(0, 2)], [10, 1]);
});

test('cores are drawn in the order of their numbers', () => {
    const rings = ringsOf(range(0, 2), () => Array.from({length: 12}, (_, core) => core * 5));
    const {heat} = plotColumns(rings, {id: 'x', lines: [], heat: {metric: 'm', label: 'core'}, columns: 2}, 0, 2 * SECOND);
    assert.deepEqual(Array.from({length: 12}, (_, row) => heat.cells[row * heat.columns]), Array.from({length: 12}, (_, core) => core * 10));
});

test('steps are of the form 1, 2, 5', () => {
    assert.equal(stepFor(60 * SECOND, 300), 200_000);
    assert.equal(stepFor(86_400 * SECOND, 300), 500 * SECOND);
});

test('a stored range shows as gaps only what lies between two values', () => {
    assert.deepEqual(emptyRuns(Float64Array.of(NaN, 1, NaN, NaN, 2, NaN), 0, 10), [[20, 40]]);
});
