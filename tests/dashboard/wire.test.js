import assert from 'node:assert/strict';
import {execFileSync} from 'node:child_process';
import {test} from 'node:test';
import {PbfReader} from '../../dashboard/vendor/pbf/pbf.js';
import {readLiveFrame} from '../../dashboard/gen/live.js';
import {ServerClock} from '../../dashboard/workers/clock.js';
import {frameFromJson} from '../../dashboard/workers/json.js';
import {backoff_ms} from '../../dashboard/workers/backoff.js';

const PYTHON = process.env.PYTHON ?? 'python3';

/** A frame as the monitor writes it: by Google's own protobuf, and by the gateway's JSON. */
function written() {
    const script = `
import sys, math, base64
sys.path[:0] = [".", "proto"]
from wfmonitor.v1.live_pb2 import LiveFrame
from bus.plain import to_plain
from services.gateway.encoding import encode
frame = LiveFrame(epoch=1795503162818328, seq=9, key=True, time_us=1795503162999999, conflated=2)
table = frame.tables.add(id=3, schema=2**63 + 5, rate_hz=10, source="system", group=2, times_us=[1795503162000000, 1795503162100000], values=[1.5, math.nan, 3, 4])
table.series.add(metric="system.cpu.core_percent").labels.add(name="core", value="1")
table.series.add(metric="system.load1")
event = frame.events.add(id="e1", kind="spike", time_us=1795503162000000, attributes={"why": "a"})
event.spike.series.metric = "system.cpu.percent"
event.spike.value = 97.5
event.spike.processes.rows.add(number=4, name="<b>cc1plus</b>", count=12, cpu_percent=1120, vram_bytes=math.nan)
frame.processes.total = 300
frame.health.add(service="gateway", state=3, reason="r", restarts=2)
print(base64.b64encode(frame.SerializeToString()).decode())
print(encode(to_plain(frame)).decode())
`;
    const [binary, json] = execFileSync(PYTHON, ['-c', script], {encoding: 'utf8'}).trim().split('\n');
    return {binary: new Uint8Array(Buffer.from(binary, 'base64')), json};
}

test('the page reads what the monitor writes, the same from the socket and from the stream', () => {
    const {binary, json} = written();
    const one = readLiveFrame(new PbfReader(binary), binary.byteLength), two = frameFromJson(JSON.parse(json));
    for (const frame of [one, two]) {
        assert.equal(frame.epoch, 1795503162818328);
        assert.deepEqual(frame.tables[0].times_us, [1795503162000000, 1795503162100000]);
        assert.deepEqual(frame.tables[0].values, [1.5, NaN, 3, 4]);
        assert.deepEqual(frame.tables[0].series[0], {metric: 'system.cpu.core_percent', source: '', labels: [{name: 'core', value: '1'}]});
        assert.equal(frame.tables[0].group, 2);
        assert.equal(frame.events[0].spike.value, 97.5);
        assert.equal(frame.events[0].spike.processes.rows[0].name, '<b>cc1plus</b>');
        assert.ok(Number.isNaN(frame.events[0].spike.processes.rows[0].vram_bytes));
        assert.equal(frame.processes.total, 300);
        assert.equal(frame.health[0].state, 3);
        assert.equal(frame.conflated, 2);
    }
    assert.equal(two.tables[0].schema, one.tables[0].schema);
});

test('the clock keeps the ping with the least round trip', () => {
    const clock = new ServerClock();
    const trips = [9000, 4000, 700, 8000, 2000, 5000, 3000, 6000];
    trips.forEach((trip, at) => {
        const sent = 1e9 + at * 1e5, skew = trip === 700 ? 0 : trip * 0.4;
        assert.equal(clock.pong(sent, sent + trip / 2 + 50_000 + skew, sent + trip), at < 7);
    });
    assert.equal(clock.offset_us, 50_000);
    assert.equal(clock.round_trip_ms, 0.7);
});

test('tries are spaced wider and wider, and never so wide that three seconds pass', () => {
    assert.equal(backoff_ms(0, 0), 100);
    for (let attempt = 0; attempt < 50; attempt++) {
        assert.ok(backoff_ms(attempt, 0.999) <= 800);
        assert.ok(backoff_ms(attempt, 0) >= backoff_ms(Math.max(0, attempt - 1), 0));
    }
});
