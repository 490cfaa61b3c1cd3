/** Video memory as a stack: what each layer reaches, and that nothing is told of what nobody measured. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Holders} from '../../dashboard/panels/vram-stack.js';

// Colours are read from a page's style; what is tested here draws nothing.
/** @type {any} */ (globalThis).document = new EventTarget();
const {layersOf} = await import('../../dashboard/chart-stack.js');

const KINDS = /** @type {const} */ (['main', 'stack', 'stack']);

/** @param {number[][]} lines the whole, then the parts, a value a column of half a second */
const layers = (...lines) => {
    const ys = lines.flatMap((line) => [line, line, line].map((values) => new Float64Array(values)));
    const columns = /** @type {any} */ ({x: Float64Array.from(lines[0], (_, at) => at / 2), ys, step_us: 500_000});
    return layersOf(columns, KINDS.slice(0, lines.length)).map((tops) => [...tops]);
};

test('the layers reach what was measured together, and the lowest is what no model tells of', () => {
    assert.deepEqual(layers([10, 12], [6, 6], [2, 4]), [[2, 2], [8, 8], [10, 12]]);
});

test('models that tell more than is used are drawn as they tell it, with no other', () => {
    assert.deepEqual(layers([5], [4], [3]), [[0], [4], [7]]);
});

test('where no model or no whole is measured nothing is stacked', () => {
    assert.deepEqual(layers([NaN, 10, 10], [6, NaN, 6]), [[NaN, NaN, 4], [NaN, NaN, 10]]);
});

test('before a model was loaded its place is other, and after it has gone as well', () => {
    const [other, first, second] = layers([4, 10, 4, 4, 4, 4, 4, 4], [3, 3, 3, 3, 3, 3, 3, 3], [NaN, 6, NaN, NaN, NaN, NaN, NaN, NaN]);
    assert.deepEqual(other, [1, 1, 1, 1, 1, 1, 1, 1]);
    assert.deepEqual(first, [4, 4, 4, 4, 4, 4, 4, 4]);
    assert.deepEqual([...second].map((top) => (top === top ? top : null)), [null, 10, null, null, null, null, null, null]);
});

test('a model that is only late ends the stack, not its own layer', () => {
    assert.deepEqual(layers([10, 10, 10, NaN], [6, 6, NaN, NaN], [2, 2, 2, NaN]), [[2, 2, NaN, NaN], [8, 8, NaN, NaN], [10, 10, NaN, NaN]]);
});

test('the model of the greatest peak stands first, and one that went long ago not at all', () => {
    const holders = new Holders();
    assert.deepEqual(holders.take([['small', 1], ['large', 5], ['none', 0]], 0), ['large', 'small']);
    assert.deepEqual(holders.take([['small', 3]], 100e6), ['large', 'small']);
    assert.deepEqual(holders.take([['small', 3]], 301e6), ['small']);
});
