/** When the page asks again for the requests that it heard of. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {Requests} from '../../dashboard/requests.js';

/** @param {import('node:test').TestContext} context */
function page({mock}) {
    mock.timers.enable({apis: ['setTimeout']});
    /** @type {any} */ (globalThis).sessionStorage = {getItem: () => null, setItem: () => {}};
    const asked = /** @type {string[]} */ ([]);
    const api = {ask: async (/** @type {string} */ path) => {
        asked.push(path);
        return {requests: [], total: 7, more: false, terms: {currency: 'EUR', tariff_per_kwh: 0.3}};
    }};
    const requests = new Requests(/** @type {any} */ (api), /** @type {any} */ ({on: () => {}}));
    return {requests, asked, pass: (/** @type {number} */ ms) => mock.timers.tick(ms)};
}

test('requests that end one after another do not put the question off', (context) => {
    const {requests, asked, pass} = page(context);
    for (let turn = 0; turn < 20; turn += 1) {
        requests.live([{id: `r${turn}`, start_us: turn}]);
        pass(500);
    }
    assert.equal(asked.length, 10);
});

test('one that ends while a question waits is asked for a second later, and then it is quiet', (context) => {
    const {requests, asked, pass} = page(context);
    requests.live([{id: 'a', start_us: 1}]);
    pass(900);
    requests.live([{id: 'b', start_us: 2}]);
    pass(100);
    assert.equal(asked.length, 1);
    pass(1000);
    assert.equal(asked.length, 2);
    pass(60_000);
    assert.equal(asked.length, 2);
});

test('each page of the list tells how many are kept, and the terms', async (context) => {
    const {requests} = page(context);
    await requests.ask((list) => list.put({name: 'ttft', ascending: false}));
    assert.deepEqual([requests.total, requests.terms.per_kwh], [7, 0.3]);
});
