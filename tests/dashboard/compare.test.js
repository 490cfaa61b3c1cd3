/** A comparison in words: what was not measured is a dash, never a zero. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {rowWords, spreadWords, stateWords} from '../../dashboard/panels/compare.js';

const none = {model: 'a', prompt_tokens: 128, concurrency: 0, counted_prompt_tokens: null, ttft_ms: null, tpot_ms: null, throughput_tps: null, joules_per_token: null, joules_per_token_spread: null, joules_attribution: '', vram_bytes: null, vram_bytes_spread: null, failed: 1, error: 'no_answer', disturbed: 0};

test('a spread has its range, and none is a dash', () => {
    assert.equal(spreadWords({median: 12.34, p25: 10, p75: 20, n: 5}, 1), '12.3 [10.0 to 20.0]');
    assert.equal(spreadWords(null, 1), '–');
});

test('a cell that failed says so and shows no zero', () => {
    assert.deepEqual(rowWords(none), ['a', '128', '–', '–', '–', '–', '–', '–', '0', '1 failed: no answer']);
    const said = (/** @type {string} */ error) => rowWords({...none, error}).at(-1);
    assert.deepEqual(['no_token', 'http_404'].map(said), ['1 failed: no token came', '1 failed: the runtime answered HTTP 404']);
});

test('joules a token and video memory have their range; what earlier versions kept is one number', () => {
    const costs = (/** @type {any} */ cell) => rowWords(cell).slice(6, 8).map((words) => words.replace(/[\u00a0\u202f]/g, ' '));
    const known = {...none, joules_per_token: 0.5, joules_attribution: 'measured', vram_bytes: 8 * 2 ** 30};
    assert.deepEqual(costs(known), ['0.50 (measured)', '8.0 GiB']);
    const spread = (/** @type {number} */ median, /** @type {number} */ by) => ({median, p25: median - by, p75: median + by, n: 5});
    const ranged = {...known, joules_per_token_spread: spread(0.52, 0.1), vram_bytes_spread: spread(8 * 2 ** 30, 2 ** 30)};
    assert.deepEqual(costs(ranged), ['0.52 [0.42 to 0.62] (measured)', '8.0 GiB [7.0 GiB to 9.0 GiB]']);
});

test('a run says what it does, and how it ended', () => {
    const run = {id: '1', start_us: 0, end_us: 0, state: 'running', reason: '', now: 'a: round 1 of 5', requests: 52, requests_done: 3, cells: [], plan: {models: ['a'], rounds: 5, output_tokens: 64}};
    assert.equal(stateWords(run), '3 of 52 requests. a: round 1 of 5');
    assert.equal(stateWords({...run, state: 'cancelled'}), '5 rounds, 64 tokens of output asked for. Stopped early.');
});
