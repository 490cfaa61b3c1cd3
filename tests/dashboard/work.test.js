import assert from 'node:assert/strict';
import {test} from 'node:test';
import {FrameWork} from '../../dashboard/frame-work.js';

const BUDGET_MS = 5;

/** Steps that take so long each, and say in `drawn` that they ran. */
function stage() {
    let now_ms = 0;
    /** @type {string[]} */
    const drawn = [];
    const work = new FrameWork(BUDGET_MS, () => now_ms);
    const step = (/** @type {string} */ name, took_ms = 0, newest_us = 0) => () => { drawn.push(name); now_ms += took_ms; return newest_us; };
    const frame = () => {
        const told = work.run();
        const seen = drawn.splice(0);
        now_ms = (Math.floor(now_ms * 60 / 1000) + 1) * 1000 / 60;
        return {...told, seen};
    };
    return {work, step, frame};
}

test('lines and the words beside them stand in one picture where there is time', () => {
    const {work, step, frame} = stage();
    work.words('tile', step('words'));
    work.line('cpu', step('cpu', 0.5, 7));
    work.line('disk', step('disk', 0.5, 9));
    assert.deepEqual(frame(), {drew: true, newest_us: 9, seen: ['cpu', 'disk', 'words']});
    assert.deepEqual(frame(), {drew: false, newest_us: 0, seen: []});
});

test('a frame ends with the step that spends its budget; the next goes on, and draws all of them', () => {
    const {work, step, frame} = stage();
    for (const name of ['a', 'b', 'c', 'd', 'e']) work.line(name, step(name, 1.5));
    work.words('tile', step('words', 5));
    work.words('table', step('table', 1));
    assert.deepEqual([frame(), frame(), frame(), frame(), frame()].map(({seen}) => seen.join(' ')), ['a b', 'c d', 'e words', 'table', '']);
});

test('one long step is a frame of its own, never none', () => {
    const {work, step, frame} = stage();
    work.line('large', step('large', 30));
    work.line('small', step('small', 1));
    assert.deepEqual(frame().seen, ['large']);
    assert.deepEqual(frame().seen, ['small']);
});

test('only the newest of a plot, and of who writes words, is drawn', () => {
    const {work, step, frame} = stage();
    for (let at = 0; at < 100; at++) {
        work.line('cpu', step(`line ${at}`));
        work.words('tile', step(`words ${at}`));
    }
    assert.deepEqual(frame().seen, ['line 99', 'words 99']);
});

test('words wait for a line, and where none comes they are drawn all the same', () => {
    const {work, step, frame} = stage();
    work.words('tile', step('words'));
    const frames = Array.from({length: 12}, frame);
    const at = frames.findIndex(({seen}) => seen.length);
    assert.ok(at > 3 && at < 11, `drawn in frame ${at}`);
});

test('lines that take every budget do not keep words away for ever', () => {
    const {work, step, frame} = stage();
    work.words('tile', step('words'));
    const seen = Array.from({length: 30}, () => {
        work.line('cpu', step('cpu', 5));
        return frame().seen;
    }).flat();
    assert.equal(seen.filter((name) => name === 'words').length, 1);
});
