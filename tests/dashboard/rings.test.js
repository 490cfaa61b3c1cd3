import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Rings} from '../../dashboard/workers/rings.js';

const SECOND = 1e6;

/** @param {number[]} times_s @param {object} [more] */
function table(times_s, more = {}) {
    const times_us = times_s.map((s) => s * SECOND);
    return {
        id: 1, schema: 7, rate_hz: 10, source: 'system', group: 2, times_us, values: [...times_s, ...times_s.map((s) => s * 100)],
        series: [{metric: 'a', source: '', labels: []}, {metric: 'b', source: '', labels: [{name: 'core', value: '3'}]}], ...more,
    };
}

function held(rings, id) {
    const {ring, column} = rings.series.get(id);
    return [...ring.columns[column].subarray(ring.start, ring.end)];
}

test('a key frame repeats the newest row and it stands once', () => {
    const rings = new Rings();
    rings.enter(1);
    rings.take(table([1, 1.1]));
    rings.take(table([1.1]));
    rings.take(table([1.1, 1.2]));
    assert.deepEqual(held(rings, 'a|system|'), [1, 1.1, 1.2]);
    assert.deepEqual(held(rings, 'b|system|core=3').map(Math.round), [100, 110, 120]);
});

test('a backfill that comes after live rows fills in what is older and between', () => {
    const rings = new Rings();
    rings.enter(1);
    rings.take(table([5, 5.3]));
    rings.take(table([4, 4.1, 5, 5.1]));
    assert.deepEqual(held(rings, 'a|system|'), [4, 4.1, 5, 5.1, 5.3]);
});

test('a table without names is unknown until they come', () => {
    const rings = new Rings();
    rings.enter(1);
    assert.equal(rings.take(table([1], {series: []})), false);
    assert.equal(rings.take(table([1])), true);
    assert.equal(rings.take(table([1.1], {series: []})), true);
    assert.deepEqual(held(rings, 'a|system|'), [1, 1.1]);
});

test('a new epoch of the aggregator gives new numbers and the rows stay', () => {
    const rings = new Rings();
    rings.enter(1);
    rings.take(table([1]));
    rings.enter(2);
    assert.equal(rings.take(table([2], {series: []})), false);
    rings.take(table([2], {id: 40}));
    assert.deepEqual(held(rings, 'a|system|'), [1, 2]);
});

test('a series that comes later has no values before it came', () => {
    const rings = new Rings();
    rings.enter(1);
    rings.take(table([1, 2]));
    const version = rings.version;
    const wide = table([3], {schema: 8});
    wide.series.push({metric: 'c', source: '', labels: []});
    wide.values.push(42);
    rings.take(wide);
    assert.ok(rings.version > version);
    assert.deepEqual(held(rings, 'a|system|'), [1, 2, 3]);
    assert.deepEqual(held(rings, 'c|system|'), [NaN, NaN, 42]);
});

test('no more than the held minutes are kept, and the newest of them', () => {
    const rings = new Rings();
    rings.enter(1);
    for (let second = 0; second < 400; second++) rings.take(table(Array.from({length: 10}, (_, i) => second + i / 10)));
    const {ring} = rings.series.get('a|system|');
    assert.equal(ring.end - ring.start, ring.capacity);
    assert.equal(ring.newest_us, 399.9 * SECOND);
    const times = ring.times.subarray(ring.start, ring.end);
    assert.ok(times.every((time, at) => at === 0 || time > times[at - 1]), 'sorted without a repeat');
});

test('a table that comes faster than it says is held five minutes all the same, and one at its rate is given no more', () => {
    const fast = new Rings(), plain = new Rings();
    for (let n = 0; n < 20 * 400; n++) fast.take(table([n / 20], {rate_hz: 1}));
    for (let n = 0; n < 1000; n++) plain.take(table([n], {rate_hz: 1}));
    const ring = fast.all[0];
    assert.ok(ring.newest_us - ring.oldest_us >= 300 * SECOND, `${(ring.newest_us - ring.oldest_us) / SECOND} s are held`);
    assert.ok(ring.times.length <= 2 * 2 * 310 * 20);
    assert.equal(plain.all[0].capacity, 310);
});

test('what a ring may grow to is bounded by rows and by values', () => {
    const narrow = new Rings(), wide = new Rings();
    for (let n = 0; n < 30_000; n++) narrow.take(table([n / 1000], {rate_hz: 1}));
    const names = Array.from({length: 256}, (_, at) => ({metric: `m${at}`, source: '', labels: []}));
    for (let n = 0; n < 5000; n++) wide.take(table([n / 60], {rate_hz: 1, series: names, values: names.map(() => 1)}));
    assert.equal(narrow.all[0].capacity, 310 * 60);
    assert.equal(wide.all[0].capacity, 2 ** 19 / 256);
});

test('a backfill that is longer than a ring keeps what is within its time', () => {
    const rings = new Rings();
    rings.take(table([300], {rate_hz: 1}));
    rings.take(table(Array.from({length: 20 * 299}, (_, n) => n / 20), {rate_hz: 1}));
    const ring = rings.all[0];
    assert.equal(ring.oldest_us, 0);
});

test('a long ring stays long when a series comes', () => {
    const rings = new Rings();
    for (let n = 0; n < 20 * 100; n++) rings.take(table([n / 20], {rate_hz: 1}));
    const more = {rate_hz: 1, schema: 8, series: [...table([1]).series, {metric: 'c', source: '', labels: []}]};
    rings.take(table([100], {...more, values: [1, 2, 3]}));
    assert.equal(rings.all[0].end - rings.all[0].start, 2001);
});
