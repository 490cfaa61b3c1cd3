/** A comparison in words: what was not measured is a dash, never a zero. */
import assert from 'node:assert/strict';
import test from 'node:test';
import {rowWords, spreadWords, stateWords} from '../../dashboard/panels/compare.js';

const none = {model: 'a', prompt_tokens: 128, concurrency: 0, counted_prompt_tokens: null, ttft_ms: null, tpot_ms: null, throughput_tps: null, joules_per_token: null, joules_attribution: '', vram_bytes: null, failed: 1, error: 'no_answer', disturbed: 0};

test('a spread has its range, and none is a dash', () => {
    assert.equal(spreadWords({median: 12.34, p25: 10, p75: 20, n: 5}, 1), '12.3 [10.0 to 20.0]');
    assert.equal(spreadWords(null, 1), '–');
});

test('a cell that failed says so and shows no zero', () => {
    assert.deepEqual(rowWords(none), ['a', '128', '–', '–', '–', '–', '–', '–', '0', '1 failed: no_answer']);
});

test('a run says what it does, and how it ended', () => {
    const run = {id: '1', start_us: 0, end_us: 0, state: 'running', reason: '', now: 'a: round 1 of 5', requests: 52, requests_done: 3, cells: [], plan: {models: ['a'], rounds: 5, output_tokens: 64}};
    assert.equal(stateWords(run), '3 of 52 requests. a: round 1 of 5');
    assert.equal(stateWords({...run, state: 'cancelled'}), '5 rounds, 64 tokens of output asked for. Ended before its end.');
});
