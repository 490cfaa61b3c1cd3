import assert from 'node:assert/strict';
import {test} from 'node:test';
import {DetailLevel} from '../../dashboard/detail.js';
import {FrameMeter} from '../../dashboard/frames.js';
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

/** The level at the end of each second. @param {DetailLevel} detail @param {object[]} seconds @param {number} from when the first one begins */
const follow = (detail, seconds, from = 0) => seconds.map((seen, at) => detail.see(seen, from + at + 1, 1));

test('detail falls when a breach has lasted a second, rests two seconds, and falls again', () => {
    assert.deepEqual(follow(new DetailLevel(), Array(5).fill(busy)), [1, 1, 2, 2, 2]);
});

test('one fall: back when calm has lasted five seconds; two in a minute: thirty', () => {
    const once = new DetailLevel();
    follow(once, [busy]);
    assert.equal(once.level, 1);
    assert.deepEqual(follow(once, Array(6).fill(calm), 1), [1, 1, 1, 1, 0, 0]);
    const twice = new DetailLevel();
    follow(twice, [busy, busy, busy]);
    assert.equal(twice.level, 2);
    assert.deepEqual(follow(twice, Array(31).fill(calm), 3).slice(28), [2, 1, 1]);
});

test('the first five seconds of a page have no say, nor those after it was hidden', () => {
    const detail = new DetailLevel();
    detail.open(100);
    assert.deepEqual(follow(detail, Array(7).fill(busy), 100), [0, 0, 0, 0, 0, 1, 1]);
    assert.deepEqual([detail.see(calm, 108.5, 1), detail.see(busy, 109.5, 1)], [1, 2]);
    const late = new DetailLevel();
    late.open(100);
    assert.equal(late.see(busy, 105.5, 1), 0, 'half of this second had no say');
    assert.equal(late.see(busy, 106.5, 1), 1);
});

test('a breach that began before a page was hidden does not count when it is shown again', () => {
    const detail = new DetailLevel();
    detail.see(busy, 10, 0.6);
    detail.open(11);
    assert.equal(detail.see(busy, 17, 0.6), 0);
    assert.equal(detail.see(busy, 17.6, 0.6), 1);
});

/** A page's meter whose frames come by hand, `interval_ms` after one another, with a millisecond of work each. */
const meterByHand = () => {
    /** @type {FrameRequestCallback} */
    let next = () => {};
    Object.assign(globalThis, {requestAnimationFrame: (/** @type {FrameRequestCallback} */ callback) => { next = callback; }, document: new EventTarget()});
    const motion = Object.assign(new EventTarget(), {still: false});
    const meter = new FrameMeter(/** @type {any} */ ({flush: () => ({drew: true, newest_us: 0}), send() {}, take() {}, now_us: () => 0}), /** @type {any} */ (motion));
    let now_ms = performance.now() + 10_000;
    const run = (/** @type {number} */ seconds, /** @type {number} */ interval_ms) => {
        for (const end_ms = now_ms + 1000 * seconds; now_ms < end_ms; now_ms += interval_ms) {
            next(now_ms);
            meter.work_ms.push(1);
        }
    };
    return {meter, run, now_ms: () => now_ms};
};

test('a page that misses every other frame falls a second after that began, and rises five after it has ended', () => {
    const {meter, run, now_ms} = meterByHand();
    run(4, SLOT);
    assert.equal(meter.detail.level, 0);
    const until = (/** @type {number} */ level, /** @type {number} */ interval_ms) => {
        const began_ms = now_ms();
        while (meter.detail.level !== level) run(SLOT / 1000, interval_ms);
        return now_ms() - began_ms;
    };
    const fell_ms = until(1, 2 * SLOT), rose_ms = until(0, SLOT);
    meter.after.port1.close();
    assert.ok(fell_ms < 1500 && rose_ms > 4900 && rose_ms < 5500, `after ${fell_ms.toFixed(0)} and ${rose_ms.toFixed(0)} ms`);
});

test('a hidden page changes no level', () => {
    const detail = new DetailLevel();
    follow(detail, Array(9).fill({work_p95_ms: NaN, dropped: 0, slots: 0, slot_ms: NaN}));
    assert.equal(detail.level, 0);
});
