/** The energy band's geometry: what a lane knows, and the shapes it makes of it. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Phase} from '../../dashboard/gen/live.js';
import {evidenceAt, evidenceFor} from '../../dashboard/workers/energy-evidence.js';
import {CORE_PX_A_TOKEN, pulses} from '../../dashboard/workers/energy-core.js';
import {Lane} from '../../dashboard/workers/energy-lane.js';
import {pairs, ripples, strongest} from '../../dashboard/workers/energy-ripples.js';
import {ModelRows} from '../../dashboard/workers/energy-rows.js';
import {drawStrips, stripEvidence, stripsHeight} from '../../dashboard/workers/energy-strips.js';
import {lastMinute} from '../../dashboard/workers/energy-table.js';
import {company, fidelity} from '../../dashboard/workers/energy-told.js';
import {MOST_SPARK_PX, SPARK_FILL, boxes, dotHeight, dots, ends, energyTold, gapsOf, glow, inView, ribbonWidth, ribbons, sparkShare, steps, strokeWidth, strokes, tokensPerDot} from '../../dashboard/workers/energy-shapes.js';

const START_US = 1.7e15;
const at = (/** @type {number} */ s) => START_US + Math.round(s * 1e6);
const BOX = {left: 0, right: 1000, top: 10, middle: 60, bottom: 90};
const burst = (/** @type {number[]} */ seconds, more = {}) => ({
    model: 'm', request_id: 'r', phase: Phase.PHASE_FLOWING, times_us: seconds.map(at), tokens: seconds.map(() => 1),
    entropy_bits: [], entropy_low_bits: [], entropy_high_bits: [], certainty: [], ...more,
});
const lane = (/** @type {any[]} */ ...bursts) => {
    const made = new Lane('m');
    for (const one of bursts) made.take(one, one.times_us.at(-1) ?? one.now ?? START_US);
    return made;
};
const steady = (/** @type {number} */ tps, /** @type {number} */ from, /** @type {number} */ to) => Array.from({length: Math.round((to - from) * tps)}, (_, i) => from + i / tps);

test('a ribbon is 4 to 12 px wide for 0 to 40 tokens a second, and no wider above', () => {
    assert.deepEqual([0, 20, 40, 90].map(ribbonWidth), [4, 8, 12, 12]);
    const made = lane(burst(steady(20, 0, 5)));
    assert.equal(made.rate(at(4.95)), 20);
    const [piece] = ribbons(made, at(5), BOX);
    assert.equal(piece.hollow, false);
    assert.ok(Math.abs(piece.points.at(-2).half - 4) < 0.3);
});

test('a stroke is thicker where tokens follow sooner, 2 to 8 px', () => {
    assert.equal(strokeWidth(25), 8);
    assert.equal(strokeWidth(5), 8);
    assert.equal(strokeWidth(400), 2);
    assert.equal(strokeWidth(NaN), 2);
    assert.ok(strokeWidth(50) > strokeWidth(100));
});

test('a stroke fades with a half-life of 700 ms', () => {
    const made = lane(burst([0]));
    assert.ok(Math.abs(strokes(made, at(0.7), BOX)[0].alpha - 0.5) < 1e-9);
    assert.equal(strokes(made, at(4), BOX).length, 0);
});

test('above 40 tokens a second strokes merge and say how many; none is lost', () => {
    const made = lane(burst(steady(100, 0, 2)));
    const last = made.strokes.at(-1);
    assert.equal(last?.tokens, 3);
    assert.equal(made.strokes.reduce((sum, {tokens}) => sum + tokens, 0) + made.pending, 200);
    assert.ok(made.strokes.filter(({at_us}) => at_us > at(1)).length <= 41);
});

test('lightning at once covers no more than the flash rule allows', () => {
    const made = lane(burst(steady(40, 0, 4)));
    const all = [1, 2, 3, 4].flatMap(() => strokes(made, at(4), BOX));
    const share = sparkShare(all);
    assert.ok(share < 1);
    const area = all.reduce((sum, {width, reach, alpha}) => sum + width * 2 * reach * share * SPARK_FILL * alpha, 0);
    assert.ok(area <= MOST_SPARK_PX + 1e-6);
});

test('a gap beyond the stall time is hollow, a shorter one is not', () => {
    const made = lane(burst([0, 0.1, 0.45, 1.07, 1.2]));
    assert.deepEqual(gapsOf(made, at(1.3)).map(({from_us, to_us}) => Math.round((to_us - from_us) / 1000)), [620]);
    assert.deepEqual(ribbons(made, at(1.3), BOX).map(({hollow}) => hollow), [false, true, false]);
    assert.equal(made.state(at(1.3)), 'flowing');
    assert.equal(made.state(at(1.7)), 'stalled');
    assert.equal(gapsOf(made, at(1.7)).length, 2);
});

test('the word "end" stands where it has room, and stays or not as it moves', () => {
    const one = (/** @type {string} */ id, /** @type {number} */ from) => [
        burst([from, from + 0.1], {request_id: id}), burst([], {request_id: id, phase: Phase.PHASE_ENDED, now: at(from + 0.1)}),
    ];
    const made = lane(...one('a', 0), ...one('b', 0.15), ...one('c', 2));
    for (const now of [3, 5, 9]) assert.equal(ends(made, at(now), BOX).length, 2);
    assert.equal(ends(made, at(10.3), BOX).length, 1);
});

test('the word "end" gives way to the charging of the request that follows', () => {
    const made = lane(burst([0, 0.1]), burst([], {phase: Phase.PHASE_ENDED, now: at(0.1)}));
    assert.equal(ends(made, at(1), BOX).length, 1);
    made.take(/** @type {any} */ (burst([], {request_id: 'next', phase: Phase.PHASE_SENT, sent_us: at(0.15)})), at(0.2));
    assert.deepEqual(ends(made, at(1), BOX), []);
});

test('a flow ends with its last token, and nothing grows after it', () => {
    const made = lane(burst([0, 0.1, 0.2]), burst([], {phase: Phase.PHASE_ENDED, now: at(0.3)}));
    assert.equal(made.open, null);
    assert.equal(made.state(at(3)), 'quiet');
    assert.deepEqual(gapsOf(made, at(3)), []);
    assert.equal(made.moves(at(9), 10e6), true);
    assert.equal(made.moves(at(11), 10e6), false);
});

test('two requests of one model are one flow until the last has ended', () => {
    const other = {request_id: 'other'};
    const made = lane(burst([0, 0.1]), burst([0.05, 0.2], other), burst([0.3], {phase: Phase.PHASE_ENDED}), burst([0.4], other));
    assert.equal(made.flows.length, 1);
    assert.equal(made.state(at(0.5)), 'flowing');
    const times = made.times.subarray(made.start, made.end);
    assert.deepEqual([...times], [...times].sort((a, b) => a - b));
});

test('charging is a step each 100 ms from the prompt, and the first token stops it', () => {
    const sent = burst([], {phase: Phase.PHASE_SENT, now: at(0)});
    const waiting = lane(sent);
    const [row] = steps(waiting, at(1.15), BOX);
    assert.equal(row.bars.length, 11);
    assert.equal(row.over, false);
    assert.ok(row.bars.every(({half}, i) => i === 0 || half >= row.bars[i - 1].half));
    waiting.take(burst([1.2]), at(1.2));
    assert.equal(steps(waiting, at(5), BOX)[0].bars.length, 12);
    assert.equal(waiting.ttft_ms, 1200);
    assert.equal(waiting.waiting, null);
});

test('a first token that came soon is counted from the prompt, whether the two were told together or one late', () => {
    const together = lane(burst([0.02, 0.03], {sent_us: at(0)}));
    assert.equal(together.ttft_ms, 20);
    assert.equal(together.charges.length, 1);
    const late = lane(burst([], {phase: Phase.PHASE_SENT, sent_us: at(0), now: at(0.019)}));
    late.take(burst([0.02]), at(0.03));
    assert.equal(late.ttft_ms, 20);
});

test('a dot stands at the height of its entropy; a token without one has none', () => {
    const made = lane(burst([0, 0.1, 0.2], {entropy_bits: [0, NaN, 6]}));
    const found = dots(made, at(0.3), BOX);
    assert.equal(found.length, 2);
    assert.ok(found[0].y < BOX.middle && found[1].y === BOX.top);
    assert.equal(dotHeight(BOX, 9), BOX.top);
});

test('the glow that is drawn is the energy that was computed', () => {
    const count = 60, times = Float64Array.from({length: count}, (_, i) => at(i / 10)), values = Float64Array.from({length: count}, (_, i) => 0.5 + 0.5 * Math.sin(i / 9));
    const rows = {times, values, start: 0, end: count, period_us: 100_000};
    for (const now of [5.98, 6.03, 6.1, 9.3, 14]) {
        const drawn = glow(rows, at(now), BOX).reduce((sum, {width, energy}) => sum + energy * width / 100, 0);
        const told = energyTold(rows, at(now) - 10e6, at(now));
        assert.ok(Math.abs(drawn / told - 1) < 0.01, `${now}: ${drawn} of ${told}`);
    }
    assert.deepEqual(glow(null, at(6), BOX), []);
});

test('a level glow is one shape, a step is two, and what nobody told is none', () => {
    const told = (/** @type {number[]} */ values) => ({times: Float64Array.from(values, (_, i) => at(i / 10)), values: Float64Array.from(values), start: 0, end: values.length, period_us: 100_000});
    const spans = (/** @type {number[]} */ values) => glow(told(values), at(values.length / 10), BOX).map(({width, energy}) => [Math.round(width), Math.round(energy * 1000) / 1000]);
    assert.deepEqual(spans([0.8, 0.8, 0.801, 0.8]), [[40, 0.8]]);
    assert.deepEqual(spans([0.8, 0.8, 0.7, 0.7]), [[20, 0.8], [20, 0.7]]);
    assert.deepEqual(spans([0.8, NaN, 0.8, 0]), [[10, 0.8], [10, 0.8]]);
});

test('neighbours of nearly one glow keep their energy to the last digit', () => {
    const count = 90, rows = {times: Float64Array.from({length: count}, (_, i) => at(i / 10)), values: Float64Array.from({length: count}, (_, i) => 0.6 + 0.01 * Math.sin(i * i)), start: 0, end: count, period_us: 100_000};
    for (const step of [1 / 512, 1 / 128, 1]) {
        const found = glow(rows, at(9.04), BOX, step);
        const drawn = found.reduce((sum, {width, energy}) => sum + energy * width / 100, 0);
        assert.ok(Math.abs(drawn - energyTold(rows, at(9.04) - 10e6, at(9.04))) < 1e-9, `${step}: ${drawn}`);
        assert.ok(step < 1 ? found.length > 1 : found.length === 1);
    }
});

test('the same moment gives the same shapes, and without tokens there are none', () => {
    const made = lane(burst(steady(18, 0, 3)));
    assert.deepEqual(ribbons(made, at(3), BOX), ribbons(made, at(3), BOX));
    const quiet = new Lane('m');
    assert.deepEqual([ribbons(quiet, at(3), BOX), strokes(quiet, at(3), BOX), dots(quiet, at(3), BOX), steps(quiet, at(3), BOX)], [[], [], [], []]);
});

test('a minute of tokens is kept, however many come', () => {
    const made = new Lane('m');
    for (let second = 0; second < 200; second++) made.take(burst(steady(100, second, second + 1)), at(second + 1));
    assert.ok(made.end - made.start <= 6200);
    assert.equal(made.rate(at(199.995)), 100);
    assert.equal(made.last_us, at(199.99));
});

test('evidence names the token under the pointer, or says what is there instead', () => {
    const made = lane(burst([0, 0.1, 0.2, 1], {entropy_bits: [1, 2, 3, 4], certainty: [0.9, 0.8, 0.7, 0.6]}));
    const token = evidenceAt(made, null, at(0.11), at(1.1), 20, BOX);
    assert.equal(token.certainty, 0.8);
    assert.equal(Math.round(token.gap_ms), 100);
    assert.ok(token.energy !== token.energy);
    assert.equal(Math.round(evidenceAt(made, null, at(0.6), at(1.1), 60, BOX).stall_ms), 800);
    assert.ok(Number.isNaN(evidenceAt(made, null, at(5), at(8), 60, BOX).time_us) === true);
});

test('lanes share the height and do not overlap', () => {
    const four = boxes(4, 900, 264);
    four.forEach((box, i) => { if (i) assert.ok(box.top >= four[i - 1].bottom); });
});

test('lanes join those that they name; one that names a model without a lane stands alone, and what is not told joins nobody', () => {
    const named = (/** @type {[number, string][]} */ ...told) => pairs(told.map(([r, other], at) => ({model: 'abcd'[at], r, other})));
    assert.deepEqual(named([0.8, 'c'], [NaN, ''], [0.8, 'a']), [{one: 0, other: 2, name: 'c', r: 0.8}]);
    assert.deepEqual(named([0.8, 'b'], [-0.9, 'c'], [-0.9, 'b']), [{one: 0, other: 1, name: 'b', r: 0.8}, {one: 1, other: 2, name: 'c', r: -0.9}]);
    assert.deepEqual(named([0.8, 'x'], [0.8, 'y']), [{one: 0, other: -1, name: 'x', r: 0.8}, {one: 1, other: -1, name: 'y', r: 0.8}], 'an equal r joins nobody who is named');
});

test('of two lanes that do not say with whom, the same r makes a pair; another r stands alone', () => {
    const unnamed = (/** @type {number[]} */ ...told) => pairs(told.map((r, at) => ({model: 'abcd'[at], r, other: ''})));
    assert.deepEqual(unnamed(0.8, NaN, 0.8), [{one: 0, other: 2, name: '', r: 0.8}]);
    assert.deepEqual(unnamed(NaN, NaN), []);
    assert.deepEqual(unnamed(-0.75, 0.9, 0.9), [{one: 0, other: -1, name: '', r: -0.75}, {one: 1, other: 2, name: '', r: 0.9}]);
    assert.deepEqual(unnamed(0.95, 0.95, 0.8), [{one: 0, other: 1, name: '', r: 0.95}, {one: 2, other: -1, name: '', r: 0.8}]);
});

test('a pair is found by the label of its series, its strongest r among several', () => {
    const label = (/** @type {string} */ value) => [{name: 'other', value}], ring = /** @type {any} */ ({times: Float64Array.of(at(3)), columns: [Float64Array.of(0.8), Float64Array.of(-0.9), Float64Array.of(NaN)], start: 0, end: 1, period_us: 100_000});
    const rings = /** @type {any} */ ({version: 1, matching: () => ['b', 'c', 'd'].map((other, column) => ({ring, column, key: {labels: label(other)}}))});
    const told = new ModelRows(rings).beside('a', 'model.interference');
    assert.deepEqual(told.map(({other}) => other), ['b', 'c', 'd']);
    assert.deepEqual([strongest(told, at(3.05)).r, strongest(told, at(3.05)).other], [-0.9, 'c']);
    assert.deepEqual([strongest(told, at(9)).r, strongest([], at(3)).other], [NaN, ''], 'old rows hold nothing');
});

test('the light moves by the measured rate, a token by token, and stands without them', () => {
    const made = lane(burst(steady(20, 0, 4)));
    assert.ok(Math.abs(made.travelled(at(3.5)) - made.travelled(at(2.5)) - 20) < 1e-9);
    assert.equal(made.travelled(at(5)), 80);
    assert.equal(made.travelled(at(9)), 80);
    const head = (/** @type {number} */ s) => pulses(made, at(s), BOX)[0].head;
    assert.ok(Math.abs(head(3.06) - head(3.01) - 0.05 * 20 * CORE_PX_A_TOKEN) < 1e-6);
    const stalled = [5, 6, 7].map((s) => pulses(made, at(s), BOX));
    const places = stalled.map((found) => new Set(found.map((one) => Math.round((BOX.right - one.head) * 1000) % 92_000)));
    places.forEach((place) => assert.deepEqual([...place], [...places[0]]));
    made.take(burst([], {phase: Phase.PHASE_ENDED, now: at(8)}), at(8));
    assert.deepEqual(pulses(made, at(8), BOX), []);
});

test('tokens after a minute of silence count from where the last have left off', () => {
    const made = lane(burst(steady(10, 0, 3)), burst([], {phase: Phase.PHASE_ENDED, now: at(3)}));
    made.take(burst([], {request_id: 'next', phase: Phase.PHASE_SENT}), at(90));
    made.take(burst([90.5, 90.6], {request_id: 'next'}), at(90.6));
    assert.equal(made.rate(at(90.6)), 2);
    assert.ok(made.travelled(at(92)) > made.travelled(at(90.55)));
});

test('a burst is told above the limit of the profile, and only while tokens come', () => {
    const made = lane(burst(steady(13, 0, 3)));
    assert.equal(made.bursts(at(2.99)), true);
    made.burst_tps = 13;
    assert.equal(made.bursts(at(2.99)), false);
    made.burst_tps = 12;
    assert.equal(made.bursts(at(3.5)), false);
});

test('what counts as a stall follows the profile', () => {
    const made = new Lane('m');
    made.stall_us = 350_000;
    made.take(burst([0, 0.1, 0.47, 0.86]), at(0.9));
    assert.equal(gapsOf(made, at(0.9)).length, 2);
    assert.equal(made.state(at(1.25)), 'stalled');
});

test('where dots are many, one stands for several, the same ones while they scroll', () => {
    const made = lane(burst(steady(100, 0, 5), {entropy_bits: steady(100, 0, 5).map((s) => s)}));
    assert.equal(dots(made, at(5), BOX, 1).length, 500);
    const [early, late] = [5, 5.004].map((s) => dots(made, at(s), BOX, 4));
    assert.equal(early.length, 125);
    assert.deepEqual(early.map(({y}) => y), late.map(({y}) => y));
    assert.equal(dots(lane(burst([0, 0.1, 0.2], {entropy_bits: [1, 1, 1]})), at(1), BOX, 2).length, 1);
    assert.deepEqual([tokensPerDot(900, 1000, 1), tokensPerDot(1100, 1000, 1), tokensPerDot(950, 1000, 2), tokensPerDot(700, 1000, 2)], [1, 2, 2, 1]);
});

/** Rows of E ten times a second from second 0: `held` of them full, then the decay of CONTRACTS §2 until `rows` of them. */
const decaying = (/** @type {number} */ held, /** @type {number} */ rows) => {
    const values = Float64Array.from({length: rows}, (_, i) => 2 ** (-Math.max(0, i - held) / 7));
    return {times: Float64Array.from(values, (_, i) => at(i / 10)), values, start: 0, end: rows, period_us: 100_000};
};

test('a lane is in view until the last of its shapes has left, its glow too', () => {
    const made = lane(burst(steady(20, 0, 3)), burst([], {phase: Phase.PHASE_ENDED, now: at(3)})), rows = decaying(34, 160);
    const shapes = (/** @type {number} */ now_us) => [ribbons(made, now_us, BOX), strokes(made, now_us, BOX), dots(made, now_us, BOX), gapsOf(made, now_us), steps(made, now_us, BOX), glow(rows, now_us, BOX)].flat();
    for (let s = 3; s < 30; s += 0.05) assert.equal(inView(made, rows, at(s)), shapes(at(s)).length > 0, `at ${s.toFixed(2)} s`);
    assert.equal(inView(made, rows, at(15)), true, 'E outlasts its tokens by more than two seconds');
    assert.equal(inView(made, null, at(15)), false);
});

test('of two waits that end, the later one keeps the lane in view, whichever began first', () => {
    const sent = (/** @type {string} */ id, /** @type {number} */ s) => burst([], {request_id: id, phase: Phase.PHASE_SENT, now: at(s)});
    const ended = (/** @type {string} */ id, /** @type {number} */ s) => burst([], {request_id: id, phase: Phase.PHASE_ENDED, now: at(s)});
    const made = lane(sent('long', 0), sent('short', 1), ended('short', 2), ended('long', 9));
    assert.equal(inView(made, null, at(18)), true);
    assert.equal(inView(made, null, at(19.5)), false);
});

test('energy that no lane draws counts as computed; without energy there is no fidelity', () => {
    const all = [1, 2, 3, 4].map(() => decaying(100, 100)), now_us = at(9.95);
    const drawn_s = (/** @type {number} */ lanes) => lanes * energyTold(all[0], now_us - 10e6, now_us);
    assert.equal(fidelity(drawn_s(4), all, now_us), 1);
    assert.equal(fidelity(drawn_s(2), all, now_us), 0.5);
    assert.ok(Number.isNaN(fidelity(0, [null, ...all], at(60))));
    assert.ok(Number.isNaN(fidelity(NaN, all, now_us)), 'bars in place of motion');
});

test('a model without a lane has a strip that draws its energy, as far as strips go', () => {
    const one = {lane: lane(burst([0.5])), rows: decaying(100, 100)}, now_us = at(9.95), told_s = energyTold(one.rows, now_us - 10e6, now_us);
    const painter = /** @type {any} */ ({width: 1001, height: 240, strip: (/** @type {{width: number, energy: number}[]} */ cells) => cells.reduce((sum, {width, energy}) => sum + energy * width / 100, 0)});
    const drawn_s = (/** @type {number} */ count) => drawStrips(painter, Array.from({length: count}, () => one), now_us);
    assert.equal(drawn_s(0), 0);
    assert.ok(Math.abs(drawn_s(4) / (4 * told_s) - 1) < 0.01);
    assert.equal(drawn_s(20), drawn_s(12), 'the lanes keep their room');
    assert.equal(stripsHeight(20), stripsHeight(12));
    const [top, foot] = [240 - 24 - stripsHeight(2), 240 - 24];
    assert.equal(stripEvidence([one, one], 995, top - 1, 1001, 240, now_us), null);
    assert.equal(stripEvidence([one, one], 995, foot, 1001, 240, now_us), null);
    assert.equal(stripEvidence([one, one], 995, top, 1001, 240, now_us)?.energy, one.rows.values[one.rows.end - 1]);
});

/** Lanes a, b, c … that stream until second 3, each with the r that it tells and E of 0.5. @param {number[]} told */
const beside = (...told) => {
    const areas = boxes(told.length, 1000, 264);
    const rows = (/** @type {number} */ value) => ({times: Float64Array.of(at(2.9), at(3)), values: Float64Array.of(value, value), start: 0, end: 2, period_us: 100_000});
    return told.map((r, n) => {
        const made = lane(burst(steady(18, 0, 3.02), {certainty: steady(18, 0, 3.02).map(() => 0.7)}));
        made.model = 'abcd'[n];
        return {lane: made, rows: rows(0.5), interference: r === r ? [{other: '', rows: rows(r)}] : [], box: areas[n]};
    });
};

test('a ripple tells its r, both models and its age; one whose other is not told says so', () => {
    const shown = beside(0.95, 0.95, -0.8), together = ripples(shown, at(3.05));
    const [pair, alone] = together.map(({x, y}) => evidenceFor({x: x + 5, y: y - 5}, shown, together, at(3.05), false));
    assert.deepEqual({...pair, x: 0, y: 0}, {kind: 'ripple', model: 'a', other: 'b', named: false, r: 0.95, age_ms: 50, x: 0, y: 0});
    assert.equal(alone?.model + alone?.other, 'c');
    assert.ok(together[1].y < shown[2].box.middle && together[1].y > shown[2].box.top, 'in its own lane');
    assert.ok(together[1].x - together[0].x > 26 && together[1].after && !together[0].after, 'and beside the other, words and all');
    assert.equal(evidenceFor({x: together[0].x, y: together[0].y}, shown, ripples(shown, at(4)), at(4), false)?.kind, 'nothing', 'nobody tells r any more');
    const still = evidenceFor({x: pair?.x, y: pair?.y}, shown, together, at(3.05), true);
    assert.equal(still?.kind, 'ripple', 'it stands there where nothing moves, too');
    assert.deepEqual(company(shown.map((one) => one.lane), together), [{r: 0.95, r_with: 'b'}, {r: 0.95, r_with: 'a'}, {r: -0.8, r_with: ''}]);
    assert.deepEqual(company([shown[0].lane], []), [{r: NaN, r_with: ''}]);
});

test('a ripple whose other is named says its name, lane or none', () => {
    const shown = beside(0.8, 0.95, 0.95);
    for (const [one, other] of ['b', 'c', 'b'].entries()) shown[one].interference[0].other = other;
    const lanes = shown.map((one) => one.lane), together = ripples(shown, at(3.05));
    assert.deepEqual(company(lanes, together), [{r: 0.8, r_with: 'b'}, {r: 0.95, r_with: 'c'}, {r: 0.95, r_with: 'b'}]);
    shown[0].interference[0].other = 'far';
    const [alone] = ripples(shown, at(3.05)), told = evidenceFor({x: alone.x, y: alone.y}, shown, [alone], at(3.05), false);
    assert.deepEqual([told?.other, told?.named, told?.age_ms], ['far', true, 50]);
    assert.deepEqual(company(lanes, [alone])[0], {r: 0.8, r_with: 'far'});
});

test('bars tell the rate and the E of now, wherever they are pointed at', () => {
    const shown = beside(NaN, NaN), {middle} = shown[1].box, told = (/** @type {number} */ x, /** @type {number} */ y, s = 3.05) => evidenceFor({x, y}, shown, [], at(s), true);
    for (const x of [20, 300, 900]) {
        const rate = told(x, middle - 10), energy = told(x, middle + 10);
        assert.deepEqual([rate?.kind, rate?.model, rate?.tps, Math.round(rate?.age_ms)], ['rate', 'b', 17, 106]);
        assert.deepEqual([energy?.kind, energy?.model, energy?.energy, energy?.age_ms], ['energy', 'b', 0.5, 50]);
    }
    assert.ok(Number.isNaN(told(20, middle + 10, 5)?.energy), 'absent once its row is old');
    assert.equal(evidenceFor({lane: 0}, shown, [], at(3.05), true)?.certainty, 0.7, 'a lane itself tells its newest token');
});

test('a stall, a wait and an empty place say how long ago; what goes on has no age', () => {
    const made = lane(burst([], {phase: Phase.PHASE_SENT, sent_us: at(0), now: at(0)}), burst([1, 1.1, 1.2, 2, 2.1]), burst([], {phase: Phase.PHASE_ENDED, now: at(2.1)}));
    const told = (/** @type {number} */ s, /** @type {number} */ now) => { const {kind, age_ms} = evidenceAt(made, null, at(s), at(now), 60, BOX); return [kind, Math.round(age_ms)]; };
    assert.deepEqual([told(0.5, 4), told(1.6, 4), told(1.1, 4), told(3.5, 4)], [['charging', 3000], ['stall', 2000], ['token', 2900], ['nothing', 500]]);
    const open = lane(burst([0, 0.1]));
    assert.deepEqual([evidenceAt(open, null, at(0.5), at(1), 60, BOX)].map(({kind, age_ms}) => [kind, age_ms]), [['stall', 0]]);
});

test('a burst tells its rate and limit', () => {
    const shown = beside(NaN);
    const told = evidenceFor({lane: 0, burst: true}, shown, [], at(3.05), false);
    assert.deepEqual([told?.kind, told?.tps, told?.burst_tps], ['burst', 17, 12]);
});

test('the table has the r of each second', () => {
    const [{lane: made, interference, rows}] = beside(-0.8), lines = lastMinute([made], at(3.05), () => rows, () => [{...interference[0], other: 'n'}]);
    assert.deepEqual([lines[0].r, lines[0].r_with], [-0.8, 'n']);
    assert.ok(Number.isNaN(lines[1].r));
});
