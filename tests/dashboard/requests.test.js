/** Where a request's time went, what is said about it, and the numbers beside a lane. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {firstTokenCell, rateCell} from '../../dashboard/panels/model-numbers.js';
import {besideOf, companyWords} from '../../dashboard/panels/request-company.js';
import {heldUp, phasesOf, rateOf, whyOf, worstOf} from '../../dashboard/panels/request-why.js';
import {runs} from '../../dashboard/panels/line-runs.js';
import {shareRows} from '../../dashboard/panels/energy-days.js';
import {costWords, goodputWords, metTargets, overTarget, termsOf} from '../../dashboard/panels/request-terms.js';
import {comparing} from '../../dashboard/request-list.js';
import {recordOf} from '../../dashboard/requests.js';

const record = (/** @type {any} */ more = {}) => recordOf({
    id: 'a', model: 'qwen', start_us: 1e15, ttft_ms: 4560, e2e_ms: 24_000, load_ms: 3130, queue_ms: 50, prefill_ms: 1380, ttfa_ms: 12_450,
    prompt_tokens: 1904, reasoning_tokens: 232, output_tokens: 532, tpot_ms: 36.6, finish_reason: 'stop', status: 200, stall: [], ...more,
});
const spike = {
    id: 'e', kind: 'spike', time_us: 1e15 + 23e6, producer: '', source: '', title: '', attributes: {},
    spike: {series: {metric: 'system.cpu.percent', source: '', labels: []}, value: 98, usual_low: 1, usual_high: 20, processes: {time_us: 0, span_s: 1, total: 1, rows: [{number: 1, name: 'cc1plus', unit: '', count: 12, cpu_percent: 1120, own: false}]}},
};

test('phases follow one another and end with the request', () => {
    const phases = phasesOf(record());
    assert.deepEqual(phases.map(({name}) => name), ['load', 'queue', 'prefill', 'thinking', 'answer']);
    phases.forEach(({from_ms}, at) => { if (at) assert.equal(from_ms, phases[at - 1].to_ms); });
    assert.equal(phases.at(-1)?.to_ms, 24_000);
});

test('what a runtime does not tell apart is one wait, and never invented', () => {
    const bare = record({load_ms: null, queue_ms: null, prefill_ms: undefined, reasoning_tokens: null});
    assert.deepEqual(phasesOf(bare).map(({name}) => name), ['wait', 'answer']);
    assert.match(whyOf(bare, []), /^The first token took 4\.6\u00a0s; its runtime does not tell apart/);
});

test('the answer names at most two causes, the greater first, and calls coincidence so', () => {
    const said = whyOf(record({stall: [{at_ms: 22_800, length_ms: 900}]}), [/** @type {any} */ (spike)]);
    assert.match(said, /^Waking the model took 3\.1\u00a0s of the 4\.6\u00a0s before the first token\. Reading the prompt \(1,904 tokens\) took 1\.4\u00a0s\.$/);
    const stalled = whyOf(record({load_ms: null, prefill_ms: 300, queue_ms: null, ttft_ms: 300, stall: [{at_ms: 22_800, length_ms: 900}]}), [/** @type {any} */ (spike)]);
    assert.match(stalled, /^The 0\.90\u00a0s stall coincides with a spike of CPU \(cc1plus/);
    assert.equal((said.match(/\.(?: |$)/g) ?? []).length, 2);
});

test('an answer that was not streamed is written after its prompt was read, as long as its runtime says', () => {
    const whole = record({ttft_ms: null, ttfa_ms: null, load_ms: null, queue_ms: null, prefill_ms: 130, e2e_ms: 380, tpot_ms: 3, output_tokens: 64, reasoning_tokens: null});
    assert.deepEqual(phasesOf(whole).map(({name, from_ms, to_ms}) => [name, from_ms, to_ms]), [['prefill', 0, 130], ['wait', 130, 191], ['answer', 191, 380]]);
    assert.deepEqual(phasesOf({...whole, tpot_ms: NaN}).map(({name}) => name), ['prefill', 'wait']);
    assert.deepEqual(phasesOf({...whole, tpot_ms: 5}).map(({name, from_ms}) => [name, from_ms]), [['prefill', 0], ['answer', 65]]);
});

test('tokens that came slower than usual are a cause, and what that goes with is said', () => {
    const usual = [40, 41, 42].map((tpot_ms) => record({tpot_ms}));
    const slow = record({load_ms: null, queue_ms: null, prefill_ms: 300, ttft_ms: 300, tpot_ms: 100});
    assert.equal(whyOf(slow, [], usual), 'Its tokens came at 10 a second, usually at 24. Reading the prompt (1,904 tokens) took 0.30\u00a0s.');
    assert.equal(heldUp(slow, [], usual), true);
    assert.match(whyOf(record({load_ms: null, queue_ms: null, prefill_ms: 100, ttft_ms: 100, tpot_ms: 45}), [], usual), /^Nothing held it up/);
    const beside = besideOf(slow, [slow, record({id: 'b', start_us: 1e15 - 1e6, e2e_ms: 3000}), record({id: 'c', start_us: 1e15 + 25e6, e2e_ms: 10})], [{id: 'd', model: 'llama', begun_us: 1e15 + 20e6}], 1e15 + 60e6);
    assert.deepEqual(beside.map(({model, from_ms, to_ms}) => [model, from_ms, to_ms]), [['qwen', 0, 2000], ['llama', 20_000, 24_000]]);
    assert.equal(companyWords(98.6, beside), 'That coincides with a CPU that was 99\u00a0% busy and 2\u00a0other requests.');
    assert.equal(companyWords(40, []), '');
    assert.equal(companyWords(NaN, beside.slice(1)), 'That coincides with 1\u00a0other request.');
});

test('a fast request, a failed one', () => {
    assert.match(whyOf(record({ttft_ms: 150, load_ms: null, queue_ms: null, prefill_ms: 150, e2e_ms: 2000, output_tokens: 96, tpot_ms: 16}), []), /^Nothing held it up: first token after 0\.15\u00a0s, 96 tokens at 62\.5 a second\.$/);
    assert.equal(whyOf(record({error: 'too_long', status: 400}), []), 'It failed: too_long (HTTP 400).');
});

test('the worst figure is the farthest from the usual of its model', () => {
    const others = [record({ttft_ms: 700}), record({ttft_ms: 710}), record({ttft_ms: 650}), record()];
    assert.equal(worstOf(record(), others), 'ttft');
    assert.equal(worstOf(record({ttft_ms: 700, tpot_ms: 200}), others), 'rate');
    assert.equal(worstOf(record({ttft_ms: 700}), others), '');
});

test('a rate is of the measured time per token, so none is shown that the order by it does not know', () => {
    const all = [record({id: 'slow', tpot_ms: 50}), record({id: 'one piece', tpot_ms: null, ttft_ms: 23_990}), record({id: 'fast', tpot_ms: 20})];
    for (const ascending of [true, false]) {
        const shown = [...all].sort(comparing({name: 'tpot', ascending})).map(rateOf);
        assert.deepEqual(shown, ascending ? [50, 20, NaN] : [20, 50, NaN]);
    }
    assert.match(whyOf(record({tpot_ms: null, ttft_ms: 150, load_ms: null, queue_ms: null, prefill_ms: 150, e2e_ms: 160}), []), /^Nothing held it up: first token after 0\.15\u00a0s\.$/);
});

test('a rate without tokens is a dash that says what was, never a stale number', () => {
    const lane = {model: 'm', middle: 0, state: /** @type {const} */ ('quiet'), tps: NaN, last_rate: 24, last_us: 0, ttft_ms: NaN, waiting_ms: NaN, stalled_ms: NaN, requests: []};
    assert.deepEqual([rateCell(lane).value, rateCell(lane).below], ['–', 'last request 24']);
    assert.equal(rateCell({...lane, tps: 18}).value, '18');
    assert.equal(firstTokenCell(lane, []).absent?.length ? 'absent' : '', 'absent');
    assert.deepEqual(firstTokenCell({...lane, waiting_ms: 1100}, [400, 410, 420, 430, 470]), {value: '1.1', unit: 's', below: 'so far, p95 0.47\u00a0s', dim: true});
    assert.equal(firstTokenCell({...lane, ttft_ms: 940}, []).value, '0.94');
});

test('a line of the same seconds is broken where nothing was measured', () => {
    const parts = runs([0, 1e5, 2e5, 6e5, 7e5], [0, 50, NaN, 100, 100], 0, 1e6, 1e5);
    assert.deepEqual(parts.map((part) => part.length), [2, 2]);
    assert.equal(parts[0][0], '0.0,25.0');
    assert.equal(parts[1][0], '600.0,1.0');
});

test('what is measured less often than it is asked for is a line all the same, and its gap a gap', () => {
    const each = (/** @type {number} */ at) => (at % 5 || (at > 20 && at < 60) ? NaN : 50);
    const times = Array.from({length: 100}, (_, at) => at * 1e5), parts = runs(times, times.map((_, at) => each(at)), 0, 1e7, 1e5);
    assert.deepEqual(parts.map((part) => part.length), [5, 8]);
});

test('targets judge what was measured, and nothing else', () => {
    const terms = termsOf({target_ttft_ms: 500, target_tpot_ms: 40});
    assert.deepEqual(overTarget(record(), terms), {ttft: true, tpot: false});
    assert.equal(metTargets(record(), terms), false);
    assert.equal(metTargets(record({ttft_ms: 100}), terms), true);
    assert.equal(metTargets(record({ttft_ms: 100, tpot_ms: null}), terms), null);
    assert.equal(metTargets(record({finish_reason: 'abort'}), terms), null);
    assert.equal(metTargets(record({ttft_ms: 1, finish_reason: 'error'}), terms), false);
    assert.equal(metTargets(record(), termsOf(undefined)), null);
    assert.equal(goodputWords([record(), record({ttft_ms: 100}), record({ttft_ms: null})], terms), '1 of 2 within your targets');
    assert.equal(goodputWords([record()], termsOf({})), '');
});

test('what a request took is said with how it was found, in money only with a tariff', () => {
    const took = record({joules: 1064, joules_attribution: 'shared', energy_mean: 0.618});
    assert.equal(costWords(took, termsOf({})), 'It took 1,064\u00a0J (shared out by tokens), 2.0\u00a0J a token. Mean energy E 0.62.');
    assert.match(costWords(took, termsOf({tariff_per_kwh: 0.36, currency: 'EUR'})), /, 0\.00011\u00a0EUR\. Mean/);
    assert.equal(costWords(record(), termsOf({tariff_per_kwh: 0.36})), '');
});

test('a day of energy names models, rest and others', () => {
    const share = {day: '2026-01-02', kind: 'model', name: 'qwen', device: 'gpu', joules: 3.6e6, tokens: 1000, attribution: 'measured'};
    const idle = {...share, kind: 'idle', name: 'gpu:0', joules: 360, tokens: null, attribution: ''};
    assert.deepEqual(shareRows([share, idle], termsOf({tariff_per_kwh: 0.3, currency: 'EUR'})), [
        ['2026-01-02', 'qwen', '1.0000', '3,600', '0.30\u00a0EUR', 'measured'],
        ['', 'idle: gpu:0', '0.0001', '–', '0.000030\u00a0EUR', '–'],
    ]);
    assert.equal(shareRows([share], termsOf({}))[0][4], '–');
});
