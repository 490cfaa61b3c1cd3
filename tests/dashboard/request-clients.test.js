/** What stands in the table of who asked. */
import assert from 'node:assert/strict';
import {test} from 'node:test';
import {clientCells} from '../../dashboard/panels/request-clients.js';
import {termsOf} from '../../dashboard/panels/request-terms.js';

const NOW_US = new Date(2026, 10, 29, 12).getTime() * 1000;
const total = {client: '403a721af19acbd8', name: '', requests: 4, prompt_tokens: 4800, output_tokens: 16, e2e_ms: 9500, joules: null, with_joules: 0, newest_us: NOW_US};

test('what was measured of none is a dash, and a client without a name is its hash', () => {
    assert.deepEqual(clientCells(total, termsOf({}), NOW_US), ['403a721af19acbd8', '4', '4,800', '16', '9.5\u00a0s', '–', '–', '12:00:00']);
});

test('joules of a part of the requests are said to be so, money needs a tariff, another day is named', () => {
    const paid = {...total, name: 'my editor', joules: 3.6e6, with_joules: 3, newest_us: NOW_US - 86_400e6};
    const cells = clientCells(paid, termsOf({tariff_per_kwh: 0.3, currency: 'EUR'}), NOW_US);
    assert.deepEqual([cells[0], ...cells.slice(5)], ['my editor', '3,600,000 (of 3)', '0.30\u00a0EUR', '28.11. 12:00:00']);
    assert.equal(clientCells(paid, termsOf({}), NOW_US)[6], '–');
});
