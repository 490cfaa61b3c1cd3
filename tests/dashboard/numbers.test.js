/** The numbers beside a lane and the evidence for a mark: what they compare with, and what they say where nothing is measured. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Facts} from '../../dashboard/facts.js';
import {contextSize} from '../../dashboard/format.js';
import {evidenceWords, laneSentence, laneWords} from '../../dashboard/panels/energy-words.js';
import {contextCell, firstTokenCell, lastUsed, rateCell, servingWords, vramCell} from '../../dashboard/panels/model-numbers.js';
import {heldKeys, sharesOf} from '../../dashboard/panels/vram-words.js';

const plain = (/** @type {string} */ text) => text.replaceAll('\u00a0', ' ');
const lane = (/** @type {any} */ more = {}) => /** @type {any} */ ({model: 'm', state: 'flowing', tps: 18, last_rate: 24, last_us: 0, ttft_ms: NaN, waiting_ms: NaN, ...more});
const told = (/** @type {Record<string, number>} */ values) => (/** @type {string} */ metric) => values[metric] ?? NaN;

test('a rate is compared with that of the model alone, where the slowdown is measured', () => {
    assert.equal(rateCell(lane(), 1.6).below, 'alone 29');
    assert.equal(rateCell(lane()).below, '');
    assert.equal(rateCell(lane({state: 'stalled'}), 1.6).below, 'stalled');
    assert.equal(rateCell(lane({tps: NaN}), 1.6).below, 'last request 24');
});

test('a first token that came soon is told in milliseconds', () => {
    const said = (/** @type {number} */ ttft_ms) => { const {value, unit} = firstTokenCell(lane({ttft_ms}), []); return `${value} ${unit}`; };
    assert.deepEqual([4.4, 85, 99.6, 2051].map(said), ['4 ms', '85 ms', '0.10 s', '2.05 s']);
});

test('a model that holds memory and does nothing is pointed out', () => {
    const quiet = lane({state: 'quiet', last_us: 1e15});
    const cell = vramCell(quiet, 3 * 2 ** 30, 1, 1e15 + 20 * 60e6);
    assert.equal(plain(cell.below), 'idle 20 min, still held');
    assert.equal(cell.held, true);
    assert.equal(vramCell(quiet, 3 * 2 ** 30, 1, 1e15 + 60e6).below, 'all on GPU');
    assert.equal(vramCell(lane({last_us: 1e15}), 3 * 2 ** 30, 0.5, 1e15 + 20 * 60e6).below, '50 % on GPU');
    assert.match(vramCell(quiet, NaN, NaN, 1e15).absent ?? '', /does not tell/);
});

test('a model that worked before the page was open is known by its newest request', () => {
    const record = /** @type {any} */ ({start_us: 5e6, e2e_ms: 2000});
    assert.equal(lastUsed(lane({last_us: NaN}), [record]), 7e6);
    assert.equal(lastUsed(lane({last_us: 9e6}), [record]), 9e6);
    assert.ok(Number.isNaN(lastUsed(lane({last_us: NaN}), [])));
});

test('a context is told by its fill and its size, as far as the runtime tells them', () => {
    assert.deepEqual([512, 2048, 16384, 131072, 1048576, 6144].map(contextSize), ['512', '2k', '16k', '128k', '1M', '6k']);
    assert.equal(contextCell(0.41, 0.9, 16384).below, '6,717 of 16k');
    assert.equal(contextCell(0.41, NaN, NaN).below, 'of its context');
    assert.equal(contextCell(NaN, 0.9, 16384).below, 'of its cache, 16k each');
    assert.deepEqual([contextCell(NaN, NaN, 16384).below, contextCell(NaN, NaN, NaN).below], ['of 16k', '']);
    assert.match(contextCell(NaN, NaN, NaN).absent ?? '', /does not tell/);
});

test('beside a lane stand its runtime and its quantisation, as they were told last', async () => {
    const events = /** @type {any} */ (Object.assign(new EventTarget(), {all: []}));
    /** @type {Record<string, any>} */
    const heard = {};
    const bridge = /** @type {any} */ ({on: (/** @type {string} */ name, /** @type {any} */ hear) => { heard[name] = hear; }, latest: {one: () => NaN, keys: []}});
    const info = [['runtime', 'llama.cpp'], ['quantisation', 'Q4_K_M'], ['context_length', '16384']].map(([name, value]) => ({subject: 'model:m', name, value}));
    const facts = new Facts(/** @type {any} */ ({ask: async () => ({info})}), bridge, events);
    const context = /** @type {any} */ ({facts, bridge, requests: {of: () => []}});
    assert.equal(laneWords(lane(), context).about, '');
    await facts.load();
    assert.equal(laneWords(lane(), context).about, 'llama.cpp, Q4_K_M');
    assert.equal(facts.context('m'), 16384);
    events.all.push({kind: 'model_load', source: 'model:m', time_us: 1, attributes: {quantisation: 'Q8_0'}});
    events.dispatchEvent(new Event('change'));
    assert.equal(laneWords(lane(), context).about, 'llama.cpp, Q8_0');
});

test('queue, batch and cache are told as far as they are measured, and no farther', () => {
    assert.deepEqual(servingWords(told({})), {said: '', absent: 'queue, batch, cache'});
    const all = servingWords(told({'model.requests_waiting': 2, 'model.batch_size': 3.5, 'model.cache_hit_ratio': 0.63, 'model.kv_cache_used_ratio': 0.41}));
    assert.equal(plain(all.said), '2 waiting · batch 3.5 · 63 % cache hits, cache 41 % full');
    assert.equal(all.absent, '');
    assert.deepEqual(servingWords(told({'model.requests_waiting': 0})), {said: '0 waiting', absent: 'batch, cache'});
});

test('evidence says by which profile a stall, a burst and E are told', () => {
    const found = {
        kind: 'token', model: 'm', age_ms: 40, bits: NaN, energy: 0.7, stall_ms: NaN, waiting_ms: NaN, time_us: 1, certainty: NaN, gap_ms: 50,
        tps: 18, burst_tps: 12, stall_limit_ms: 350,
    };
    const said = (/** @type {object} */ more = {}) => plain(evidenceWords({...found, ...more}, 'profile studio').rest.join('; '));
    assert.match(said(), /E 0\.70 by profile studio; 18 tok\/s, a burst: more than 12/);
    assert.match(said({tps: 9}), /no burst: not more than 12/);
    assert.match(said({kind: 'stall', stall_ms: 620}), /longer than 350 ms, the limit of profile studio/);
    assert.match(said({kind: 'burst'}), /a burst: more than 12, 0\.6 of what profile studio takes for the most/);
});

test('evidence of every mark names its value, its unit, its age and its metric', () => {
    const said = (/** @type {object} */ found) => { const {title, metric} = evidenceWords({model: 'm', age_ms: 40, ...found}, 'profile studio'); return `${plain(title)} | ${metric}`; };
    assert.equal(said({kind: 'ripple', other: 'n', r: -0.784}), 'opposed to n, r −0.78, 40 ms old | model.interference [model:m] [model:n]');
    assert.equal(said({kind: 'ripple', other: 'n', named: true, r: -0.784}), 'opposed to n, r −0.78, 40 ms old | model.interference [model:m] [other=n]');
    assert.equal(said({kind: 'ripple', other: '', r: 0.8}), 'in step with another model, r 0.80, 40 ms old | model.interference [model:m]');
    assert.equal(said({kind: 'rate', tps: 18.4, state: 'flowing', last_tps: 18.4}), '18.4 tok/s, 40 ms old | model.tps [model:m]');
    assert.equal(said({kind: 'rate', tps: NaN, state: 'quiet', last_tps: 24.1}), 'no rate now: quiet; last 24.1 tok/s, 40 ms ago | model.tps [model:m]');
    assert.equal(said({kind: 'rate', tps: NaN, state: 'charging', last_tps: NaN, age_ms: NaN}), 'no rate now: charging | model.tps [model:m]');
    assert.equal(said({kind: 'energy', energy: 0.7}), 'E 0.70, 40 ms old | model.energy [model:m]');
    assert.equal(said({kind: 'energy', energy: NaN, age_ms: NaN}), 'E not measured now | model.energy [model:m]');
    assert.equal(said({kind: 'stall', stall_ms: 620, stall_limit_ms: 350}), 'stall 620 ms, 40 ms ago | model.token_interval_ms [model:m]');
    assert.equal(said({kind: 'stall', stall_ms: 620, stall_limit_ms: 350, age_ms: 0}), 'stall 620 ms, goes on | model.token_interval_ms [model:m]');
    assert.equal(said({kind: 'charging', waiting_ms: 1100}), 'charging 1.1 s, 40 ms ago | model.ttft_ms [model:m]');
    assert.equal(said({kind: 'nothing'}), 'no token here, 40 ms ago | model.energy [model:m]');
});

test('the alternative text of a lane names who it goes together with', () => {
    const facts = /** @type {any} */ ({of: () => ''}), requests = /** @type {any} */ ({of: () => []});
    const context = /** @type {any} */ ({bridge: {latest: {one: told({'model.energy': 0.72}), keys: []}}, facts, requests});
    const lane = {model: 'm', state: 'flowing', tps: 18, per_spark: 1, waiting_ms: NaN, stalled_ms: NaN};
    assert.equal(laneSentence(/** @type {any} */ ({...lane, r: -0.784, r_with: 'n'}), context), 'm: flowing, 18 tokens a second, energy 0.72, opposed to n, r −0.78.');
    assert.equal(laneSentence(/** @type {any} */ ({...lane, r: NaN, r_with: ''}), context), 'm: flowing, 18 tokens a second, energy 0.72.');
    assert.equal(laneSentence(/** @type {any} */ ({...lane, r: NaN, bursts: true, burst_tps: 12}), context), 'm: flowing, 18 tokens a second, a burst: more than 12, energy 0.72.');
});

test('video memory is told by who holds it, and what no model holds', () => {
    const gib = 2 ** 30;
    const said = (/** @type {Parameters<typeof heldKeys>} */ ...told) => heldKeys(...told).map(({name, size, kind}) => `${kind}: ${name} ${size}`).join(', ');
    const all = /** @type {[string, number][]} */ ([['llama', 3 * gib], ['qwen', 7.2 * gib], ['tiny', 0.4 * gib]]);
    assert.equal(said(all, ['qwen', 'llama', 'tiny'], 11.5 * gib), 'model-1: qwen 7.2, model-2: llama 3.0, other: other 1.3');
    assert.equal(said([['llama', 3 * gib]], ['qwen', 'llama'], 4 * gib), 'model-2: llama 3.0, other: other 1.0');
    assert.equal(said([['qwen', 7 * gib]], ['qwen'], 7 * gib), 'model-1: qwen 7.0');
    assert.equal(said([['qwen', 7 * gib]], ['qwen'], NaN), 'model-1: qwen 7.0');
    assert.equal(said([], ['qwen'], 7 * gib), '');
});

test('names of models are as short as tells them apart', () => {
    const shorts = (/** @type {string[]} */ ...names) => heldKeys(names.map((name) => [name, 2 ** 30]), names, 2 ** 31).map(({short}) => short);
    assert.deepEqual(shorts('qwen3-8b-q4', 'llama3.2:latest'), ['qwen3', 'llama3.2']);
    assert.deepEqual(shorts('qwen3-8b', 'qwen3-4b'), ['qwen3-8b', 'qwen3-4b']);
});

test('the bar of video memory has a part for whoever is named, of all there is', () => {
    const GIB = 2 ** 30, keys = heldKeys([['large', 8 * GIB]], ['large'], 10 * GIB);
    assert.deepEqual(sharesOf(keys, 10 * GIB, 16 * GIB), [{kind: 'model-1', share: 0.5}, {kind: 'other', share: 0.125}]);
    assert.deepEqual(sharesOf([], 4 * GIB, 16 * GIB), [{kind: 'used', share: 0.25}], 'no model is measured: nothing is called other');
    assert.deepEqual(sharesOf([], 4 * GIB, NaN), []);
    assert.deepEqual(sharesOf([], NaN, 16 * GIB), []);
});
