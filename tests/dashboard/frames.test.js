import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DetailLevel} from '../../dashboard/detail.js';
import {SlotCounter, quantile} from '../../dashboard/slots.js';

const SLOT = 1000 / 60;

test('a perfect page whose deltas quantise around the slot fills every slot', () => {
    const counter = new SlotCounter();
    for (let frame = 0; frame < 600; frame++) counter.frame(frame % 2 ? 16.1 : 17.3);
    assert.equal(counter.dropped_total, 0);
});

test('a stall of 200 ms is eleven empty slots, not one late frame', () => {
    const counter = new SlotCounter();
    for (let frame = 0; frame < 120; frame++) counter.frame(SLOT);
    assert.equal(counter.frame(200), 12);
    assert.equal(counter.dropped_total, 11);
});

test('a display of 144 Hz is measured, not assumed', () => {
    const counter = new SlotCounter();
    for (let frame = 0; frame < 300; frame++) counter.frame(1000 / 144);
    assert.ok(Math.abs(counter.slot_ms - 1000 / 144) < 0.1);
    assert.equal(counter.dropped_total, 0);
});

test('a page that falls to half its speed is not taken for a slower display', () => {
    const counter = new SlotCounter();
    for (let frame = 0; frame < 300; frame++) counter.frame(SLOT);
    for (let frame = 0; frame < 300; frame++) counter.frame(2 * SLOT);
    assert.equal(counter.dropped_total, 300);
});

test('what passed while the page was hidden is nobody\'s frame', () => {
    const counter = new SlotCounter();
    for (let frame = 0; frame < 60; frame++) counter.frame(SLOT);
    counter.pause();
    for (let frame = 0; frame < 60; frame++) counter.frame(SLOT);
    assert.equal(counter.dropped_total, 0);
});

test('quantiles are by nearest rank', () => {
    assert.equal(quantile([4, 1, 3, 2], 0.5), 2);
    assert.equal(quantile([4, 1, 3, 2], 0.95), 4);
    assert.ok(Number.isNaN(quantile([], 0.5)));
});

const calm = {work_p95_ms: 3, dropped: 0, slots: 60, slot_ms: SLOT};
const busy = {work_p95_ms: 30, dropped: 9, slots: 60, slot_ms: SLOT};

/** The level second by second. @param {DetailLevel} detail @param {object[]} seconds @param {number} from */
const follow = (detail, seconds, from = 0) => seconds.map((seen, at) => detail.see(seen, from + at));

test('detail falls after a second of breach, rests two seconds, and falls again', () => {
    assert.deepEqual(follow(new DetailLevel(), Array(5).fill(busy)), [0, 1, 1, 2, 2]);
});

test('one fall: back after five calm seconds; two in a minute: after thirty', () => {
    const once = new DetailLevel();
    follow(once, [busy, busy]);
    assert.equal(once.level, 1);
    assert.deepEqual(follow(once, Array(7).fill(calm), 2), [1, 1, 1, 1, 1, 0, 0]);
    const twice = new DetailLevel();
    follow(twice, [busy, busy, busy, busy, busy]);
    assert.equal(twice.level, 2);
    const levels = follow(twice, Array(40).fill(calm), 5);
    assert.equal(levels[25], 2);
    assert.ok(levels[39] < 2);
});

test('the first five seconds of a page have no say, nor those after it was hidden', () => {
    const detail = new DetailLevel();
    detail.open(100);
    assert.deepEqual(follow(detail, Array(8).fill(busy), 100), [0, 0, 0, 0, 0, 0, 1, 1]);
    detail.open(200);
    assert.deepEqual(follow(detail, Array(5).fill(busy), 200), [1, 1, 1, 1, 1]);
    assert.deepEqual(follow(detail, [calm, calm, busy, busy], 205), [1, 1, 1, 2]);
});

test('a breach that began before a page was hidden does not count when it is shown again', () => {
    const detail = new DetailLevel();
    detail.see(busy, 10);
    detail.open(11);
    assert.deepEqual(follow(detail, Array(3).fill(busy), 16), [0, 1, 1]);
});

test('a hidden page changes no level', () => {
    const detail = new DetailLevel();
    follow(detail, Array(9).fill({work_p95_ms: NaN, dropped: 0, slots: 0, slot_ms: NaN}));
    assert.equal(detail.level, 0);
});
