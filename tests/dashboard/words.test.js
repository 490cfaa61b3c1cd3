import assert from 'node:assert/strict';
import {test} from 'node:test';
import {culprits, explain} from '../../dashboard/explain.js';
import {clock, figureOf, grouped, join, memory, millis, percent, rate, span} from '../../dashboard/format.js';
import {SteppedScale, step125} from '../../dashboard/scale.js';

const plain = (text) => text.replaceAll('\u00a0', ' ');

/** @param {string} metric @param {number} value @param {object[]} rows */
function spike(metric, value, rows) {
    return {
        id: 'e', kind: 'spike', time_us: 0, producer: 'collector', source: 'system', title: '', attributes: {},
        spike: {series: {metric, source: 'system', labels: []}, value, usual_low: 3, usual_high: 21, processes: {time_us: 0, span_s: 1, total: 2, rows}},
    };
}

const compiler = {number: 1, name: 'cc1plus', count: 12, cpu_percent: 1120, rss_bytes: 3 * 2 ** 30, io_write_bytes_s: 5e6, vram_bytes: NaN};
const browser = {number: 2, name: 'firefox', count: 1, cpu_percent: 40, rss_bytes: 9 * 2 ** 30, io_write_bytes_s: 0, vram_bytes: NaN};

test('a CPU spike names who used the cores', () => {
    const {finding, rest} = explain(spike('system.cpu.percent', 96, [browser, compiler]));
    assert.equal(plain(finding), 'CPU rose to 96 %');
    assert.equal(plain(rest), 'usual 3.0 % to 21 %. cc1plus (12 processes) used 11.2 cores.');
});

test('a memory spike ranks by memory, and what shares only its time coincides', () => {
    assert.equal(culprits(spike('system.mem.used_bytes', 1, [compiler, browser]))[0].name, 'firefox');
    assert.match(explain(spike('system.net.rx_bytes_s', 5e6, [compiler])).rest, /coincides with cc1plus/);
});

test('a hidden name is a number, an unmeasured moment is said', () => {
    assert.match(explain(spike('system.cpu.percent', 96, [{...compiler, name: '', count: 1}])).rest, /process #1 used/);
    assert.match(explain(spike('system.cpu.percent', 96, [])).rest, /No process was measured/);
});

test('numbers have two or three digits that matter and their unit', () => {
    const said = [percent(4.23), percent(99.96), memory(21.4 * 2 ** 30), memory(512), rate(12_345), rate(0), rate(1e9), figureOf('gpu.power_w', 66.2)].map((figure) => plain(join(figure)));
    assert.deepEqual(said, ['4.2 %', '100 %', '21.4 GiB', '512 B', '12.3 kB/s', '0 B/s', '1.0 GB/s', '66.2 W']);
    assert.equal(join(percent(NaN)), '–');
    assert.equal(grouped(1234567), '1,234,567');
    assert.equal(plain(millis(3.14)), '3.1 ms');
    assert.equal(plain(span(3600 * 5)), '5 h');
    assert.match(clock(1795503162818328), /^\d\d:\d\d:\d\d$/);
});

test('scales step 1-2-5', () => {
    assert.deepEqual([0, 1e5, 1.1e5, 2.1e5, 6e5, 3e8].map((value) => step125(value, 1e5)), [1e5, 1e5, 2e5, 5e5, 1e6, 5e8]);
});

test('a scale rises at once and falls only after ten quiet seconds', () => {
    const scale = new SteppedScale(1e5);
    assert.equal(scale.see(4e6, 0), 5e6);
    assert.equal(scale.see(1e5, 1), 5e6);
    assert.equal(scale.see(1e5, 10), 5e6);
    assert.equal(scale.see(1e5, 11.5), 1e5);
    assert.equal(scale.see(NaN, 12), 1e5);
});
