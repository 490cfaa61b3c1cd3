/** The list of requests in any order: what stands where, page by page, and what has ended since. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {MOST, PAGE, RequestList, comparing} from '../../dashboard/request-list.js';
import {recordOf} from '../../dashboard/requests.js';

/** @param {number} number @param {any} more */
const record = (number, more = {}) => recordOf({id: `r${number}`, model: 'm', start_us: number, e2e_ms: 1, finish_reason: 'stop', ...more});

/** Answers as the gateway does, over all that it has. @param {import('../../dashboard/types').RequestRecord[]} all */
function gateway(all) {
    const asked = /** @type {string[]} */ ([]);
    const ask = async (/** @type {string} */ query) => {
        asked.push(query);
        const given = new URLSearchParams(query), limit = Number(given.get('limit'));
        const sorted = [...all].sort(comparing({name: given.get('order') ?? 'time', ascending: given.get('ascending') === '1'}));
        const from = given.has('after_id') ? sorted.findIndex(({id}) => id === given.get('after_id')) + 1 : 0;
        return {records: sorted.slice(from, from + limit), more: sorted.length > from + limit};
    };
    return {ask, asked};
}

function memory() {
    const kept = new Map();
    return {getItem: (/** @type {string} */ key) => kept.get(key) ?? null, setItem: (/** @type {string} */ key, /** @type {string} */ value) => { kept.set(key, value); }};
}

const ids = (/** @type {RequestList} */ list) => list.rows.map(({id}) => id);

test('what was not measured stands last either way, and equal ones newest first', () => {
    const all = [record(1, {ttft_ms: 5}), record(2), record(3, {ttft_ms: 9}), record(4, {ttft_ms: 5}), record(5)];
    const order = (/** @type {boolean} */ ascending) => [...all].sort(comparing({name: 'ttft', ascending})).map(({start_us}) => start_us);
    assert.deepEqual(order(false), [3, 4, 1, 5, 2]);
    assert.deepEqual(order(true), [4, 1, 3, 5, 2]);
});

test('an order is of all that is kept, not of what is here, and comes page by page', async () => {
    const all = Array.from({length: 250}, (_, at) => record(at, {joules: (at * 37) % 250}));
    const {ask} = gateway(all), list = new RequestList(ask, () => all.slice(-PAGE).reverse(), memory());
    await list.load();
    assert.equal(ids(list)[0], 'r249');
    await list.put({name: 'joules', ascending: false});
    assert.deepEqual(list.rows.map(({joules}) => joules), Array.from({length: 100}, (_, at) => 249 - at));
    await list.next();
    await list.next();
    assert.deepEqual(list.rows.map(({joules}) => joules), Array.from({length: 250}, (_, at) => 249 - at));
    assert.equal(list.more, false);
});

test('one that ended since takes its place, and none where others may be missing between', async () => {
    const all = Array.from({length: 150}, (_, at) => record(at, {ttft_ms: 1000 + at})), recent = [...all];
    const {ask} = gateway(all), list = new RequestList(ask, () => recent, memory());
    await list.put({name: 'ttft', ascending: false});
    recent.push(record(900, {ttft_ms: 1120.5}), record(901, {ttft_ms: 3}));
    const rows = ids(list);
    assert.deepEqual(rows.slice(28, 31), ['r121', 'r900', 'r120']);
    assert.equal(rows.includes('r901'), false);
    assert.equal(rows.length, 101);
});

test('the order is remembered for the visit, and a name that is none is no order', async () => {
    const kept = memory(), {ask} = gateway([]);
    await new RequestList(ask, () => [], kept).put({name: 'model', ascending: true});
    assert.deepEqual(new RequestList(ask, () => [], kept).order, {name: 'model', ascending: true});
    kept.setItem('wfmon.requests.order', 'constructor ascending');
    assert.deepEqual(new RequestList(ask, () => [], kept).order, {name: 'time', ascending: false});
});

test('a slower answer to an earlier wish is not taken, and a refused one changes nothing', async () => {
    /** @type {(page: any) => void} */
    let late = () => {};
    let answer = /** @type {() => Promise<any>} */ (() => new Promise((resolve) => { late = resolve; }));
    const list = new RequestList(() => answer(), () => [], memory());
    const first = list.put({name: 'ttft', ascending: false});
    answer = async () => ({records: [record(1)], more: false});
    await list.put({name: 'e2e', ascending: false});
    late({records: [record(2)], more: false});
    await first;
    assert.deepEqual([list.order.name, ...ids(list)], ['e2e', 'r1']);
    answer = async () => { throw new Error('away'); };
    await assert.rejects(list.put({name: 'model', ascending: true}));
    assert.equal(list.order.name, 'e2e');
});

test('it ends at a bound, however much is kept', async () => {
    const all = Array.from({length: MOST + 500}, (_, at) => record(at)), {ask, asked} = gateway(all), list = new RequestList(ask, () => [], memory());
    await list.load();
    for (let turn = 0; turn < 30; turn += 1) await list.next();
    assert.equal(list.rows.length, MOST);
    assert.equal(list.goesOn, false);
    assert.equal(asked.length, MOST / PAGE);
});

test('at the bound what ends since comes in on top, and all rows stay', async () => {
    const all = Array.from({length: MOST + 500}, (_, at) => record(at)), {ask} = gateway(all), list = new RequestList(ask, () => [], memory());
    await list.load();
    for (let page = 1; page < MOST / PAGE; page += 1) await list.next();
    all.push(record(MOST + 500), record(MOST + 501));
    await list.load();
    assert.deepEqual([ids(list)[0], ids(list).at(-1), list.rows.length, list.held.size], ['r1501', 'r502', MOST, MOST]);
    await list.load();
    assert.deepEqual([list.rows.length, list.more, list.goesOn], [MOST, true, false]);
});

test('what the page asks of itself disturbs no question of a person', async () => {
    const all = Array.from({length: 300}, (_, at) => record(at, {ttft_ms: at})), {ask} = gateway(all);
    /** @type {((page: any) => void)[]} */
    const waiting = [];
    let slow = false;
    const list = new RequestList((query) => (slow ? new Promise((resolve) => { waiting.push(() => resolve(ask(query))); }) : ask(query)), () => [], memory());
    await list.put({name: 'ttft', ascending: false});
    slow = true;
    const next = list.next();
    slow = false;
    all.push(record(300, {ttft_ms: 300}), record(301, {ttft_ms: 301}));
    await list.load();
    waiting.shift()?.(null);
    await next;
    assert.deepEqual(ids(list), Array.from({length: 200}, (_, at) => `r${299 - at}`), 'the next page stands behind the one it was asked from');
    await list.load();
    assert.deepEqual([ids(list)[0], list.rows.length], ['r301', 202]);
    slow = true;
    const put = list.put({name: 'ttft', ascending: true}), load = list.load();
    waiting.shift()?.(null);
    await put;
    waiting.shift()?.(null);
    await load;
    assert.deepEqual([list.order.ascending, ids(list)[0], list.rows.length], [true, 'r0', PAGE], 'and an answer in an order of before is not taken');
});

test('a page full of those under way is passed by', async () => {
    const all = Array.from({length: 50}, (_, at) => record(at)), {ask, asked} = gateway(all);
    const list = new RequestList(async (query) => (query.includes('after_id') ? ask(query) : {records: [], more: true, next: 'running:r99'}), () => [], memory());
    await list.load();
    await list.next();
    assert.match(asked[0], /&after_id=running%3Ar99$/);
    assert.deepEqual([list.rows.length, list.more], [50, false]);
});
