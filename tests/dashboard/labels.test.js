import assert from 'node:assert/strict';
import {test} from 'node:test';
import {besides, reachOf} from '../../dashboard/chart-labels.js';
import {Events} from '../../dashboard/events.js';

const ROOM = {left: 0, right: 400, top: 0, bottom: 100}, LABEL = {x: 200, width: 80, height: 12, space: 8};

test('a label stands left of its mark, at the top, where no line is', () => {
    assert.deepEqual(besides(LABEL, ROOM, () => [60, 90]), {left: 112, middle: 6});
    assert.deepEqual(besides(LABEL, ROOM, () => [Infinity, -Infinity]), {left: 112, middle: 6});
});

test('it stands below a line that runs along the top, right of its mark where the left is full, and nowhere rather than on a line', () => {
    assert.deepEqual(besides(LABEL, ROOM, () => [2, 10]), {left: 112, middle: 16});
    assert.deepEqual(besides(LABEL, ROOM, (left) => (left < 200 ? [0, 99] : [50, 60])), {left: 208, middle: 6});
    assert.deepEqual(besides(LABEL, {...ROOM, left: 150}, () => [50, 60]), {left: 208, middle: 6});
    assert.equal(besides(LABEL, ROOM, () => [3, 95]), null);
    assert.equal(besides(LABEL, {...ROOM, left: 150, right: 250}, () => [50, 60]), null);
});

test('the reach of lines is from least to greatest of the columns under a label, without gaps and without the strip', () => {
    const ys = [[5, 50, 5, NaN], [4, 20, 4, NaN], [6, 90, 6, NaN], [1, 1, 1, 1], [1, 1, 1, 1], [100, 100, 100, 100]].map((one) => Float64Array.from(one));
    const reach = reachOf({x: Float64Array.of(0, 100, 200, 300), ys}, [true, false], (at) => at, (value) => 100 - value, 2);
    assert.deepEqual(reach(90, 110), [8, 82]);
    assert.deepEqual(reach(190, 210), [92, 98]);
    assert.deepEqual(reach(290, 310), [Infinity, -Infinity]);
});

test('what the page draws less is marked where the processor is drawn, what concerns the machine everywhere', () => {
    const events = new Events(/** @type {any} */ ({}), /** @type {any} */ ({window_us: [0, 60e6], event: null}));
    events.add(/** @type {any} */ ([
        {id: 'a', kind: 'mitigation', source: 'ui:dashboard', time_us: 10e6, title: 'less'},
        {id: 'b', kind: 'model_load', source: 'model:m', time_us: 20e6, title: 'loaded'},
        {id: 'c', kind: 'spike', source: 'system', time_us: 30e6, title: 'spike', spike: {series: {metric: 'system.disk.read_bytes_s'}}},
    ]));
    assert.deepEqual(events.marks(['system.cpu.']).map(({id}) => id), ['a', 'b']);
    assert.deepEqual(events.marks(['system.disk.']).map(({id}) => id), ['b', 'c']);
});
