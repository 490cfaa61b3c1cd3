import assert from 'node:assert/strict';
import {beforeEach, test} from 'node:test';
import {closeness} from '../../dashboard/palette.js';
import {recordedWords, titleOf} from '../../dashboard/recording.js';
import {ViewState, hashOfView, viewFromHash} from '../../dashboard/view.js';

const NOW = 1795503162 * 1e6;

beforeEach(() => {
    globalThis.location = /** @type {any} */ ({hash: '', pathname: '/', search: ''});
    globalThis.history = /** @type {any} */ ({replaceState: (_, __, url) => { location.hash = new URL(url, 'http://x').hash; }});
    globalThis.addEventListener = () => {};
});

test('a range in the address comes back as it was, rubbish is none', () => {
    for (const view of [{live: true, span_s: 300}, {live: true, span_s: 86_400}, {live: false, from_us: 1795503000e6, to_us: 1795503060.5e6}]) {
        assert.deepEqual(viewFromHash(hashOfView(view)), view);
    }
    for (const hash of ['', '#range=7y', '#from=5&to=4', '#from=1e99&to=2e99', '#range=constructor', '#from=<img>&to=1']) assert.equal(viewFromHash(hash), null);
});

test('paused, the view stands still and goes on where now is', () => {
    let now = NOW;
    const state = new ViewState(() => now);
    state.pause();
    now += 5e6;
    assert.deepEqual(state.window_us, [NOW - 60e6, NOW]);
    state.resume();
    assert.deepEqual(state.window_us, [now - 60e6, now]);
});

test('zoom in twice and out twice is back where it was', () => {
    const state = new ViewState(() => NOW);
    state.range(NOW - 40e6, NOW - 10e6);
    state.range(NOW - 30e6, NOW - 20e6);
    state.zoomOut();
    assert.deepEqual(state.window_us, [NOW - 40e6, NOW - 10e6]);
    state.zoomOut();
    assert.deepEqual(state.view, {live: true, span_s: 60});
});

test('nobody looks into the future', () => {
    const state = new ViewState(() => NOW);
    state.pan(0.5);
    assert.ok(state.window_us[1] <= NOW);
    state.zoom(4);
    assert.ok(state.window_us[1] <= NOW);
});

test('a zoom keeps the moment under the pointer', () => {
    const state = new ViewState(() => NOW);
    state.range(NOW - 100e6, NOW - 20e6);
    state.point(NOW - 80e6);
    state.zoom(0.5);
    const [from, to] = state.window_us;
    assert.ok(Math.abs((NOW - 80e6 - from) / (to - from) - 0.25) < 1e-6);
});

test('the palette finds by letters in order, the closest first', () => {
    assert.ok(closeness('Pause or go on', 'pau') < closeness('Help: keys and marks, please use', 'pau'));
    assert.ok(Number.isNaN(closeness('Pause', 'xyz')));
});

test('what is recorded is said by its classes', () => {
    assert.equal(recordedWords({classes: [
        {name: 'machine', recording: true}, {name: 'processes', recording: true}, {name: 'models', recording: true},
        {name: 'ux', recording: false}, {name: 'custom', recording: true},
    ], besides: [{name: 'requests', recording: true}, {name: 'client', recording: false}]}), 'machine, models');
    assert.equal(recordedWords({classes: [{name: 'machine', recording: false}, {name: 'models', recording: false}], besides: [
        {name: 'requests', recording: true}, {name: 'process_names', recording: true}, {name: 'client', recording: false},
    ]}), 'requests, process names');
    assert.equal(recordedWords({classes: [{name: 'machine', recording: false}], besides: []}), '');
});

test('the recording dot says what a click does, also where nothing is known', () => {
    assert.match(titleOf(null, null), /not known.*Click to stop\.$/);
    assert.match(titleOf(true, null), /disk: not known;.*Click to stop\.$/);
    assert.match(titleOf(false, null), /^Nothing new is written.*Click to record again\.$/);
});
