/**
 * The page's one worker: it owns the line to the gateway, the monitor's clock and the rings, and hands the
 * main thread what can be drawn as it is. Messages are listed in `receive` (in) and in bridge.js (out).
 *
 * Columns leave when a row has come, 20 times a second at most; texts' values 4 times a second (LOOK "Motion").
 */
import {PbfReader} from '../vendor/pbf/pbf.js';
import {readLiveFrame} from '../gen/live.js';
import {ROUND_EACH_MS, ServerClock, localNow_us} from './clock.js';
import {plotColumns} from './columns.js';
import {Energy} from './energy.js';
import {asker, historyColumns} from './history.js';
import {Link, authorized} from './link.js';
import {Rings} from './rings.js';

/** @typedef {import('../types').PlotSpec} PlotSpec */
/** @typedef {import('../types').PlotColumns} PlotColumns */
/** @typedef {import('../types').View} View */
/** @typedef {import('../types').LiveFrame} LiveFrame */

const LATEST_MS = 250;
const BACKFILL_S = 300, AGAIN_MS = 2000;
/** Tables read at least this often are what moves on the page. */
const FAST_HZ = 5;
/** What has no new row moves on with the window ten times a second: tokens come at 60 Hz, and bring the machine nothing. */
const SCROLL_MS = 90;
/** A range that ends now is asked again this often. */
const REFRESH_MS = 10_000;

const rings = new Rings();
const clock = new ServerClock();
/** @type {Link|null} */
let link = null;
let base = '', token = '';
/** @type {View} */
let view = {live: true, span_s: 60};
/** @type {Map<string, PlotSpec>} */
const plots = new Map();
let columnsEach_ms = 50, latestEach_ms = 0, sentLatest_ms = 0;
let sentColumns_ms = 0, sentVersion = -1;
/** By plot: the newest row that it shows, and when it left. @type {Map<string, {told_us: number, at_ms: number}>} */
const drawn = new Map();
let dirty = false, paused = false;
let behind_ms = NaN, decode_ms = NaN, conflated_total = 0, frames_total = 0;
/** @type {number[]} arrival − newest row, of the last second */
let ages_ms = [];
/** @type {AbortController|null} */
let asking = null;

const post = (/** @type {any} */ message, /** @type {Transferable[]} */ transfer = []) => self.postMessage(message, {transfer});
const energy = new Energy(rings, () => clock.now_us(), post);

const receive = {
    /** @param {{base: string, token: string, transport: 'auto'|'sse'}} message */
    start(message) {
        ({base, token} = message);
        link?.close();
        link = new Link(base, token, {frame: takeFrame, text: takeText, state: takeState}, message.transport);
        link.start();
    },
    /** @param {{spec: PlotSpec}} message */
    plot({spec}) { plots.set(spec.id, spec); refreshSoon(); },
    /** @param {{id: string}} message */
    unplot({id}) { plots.delete(id); },
    /** @param {{view: View, paused: boolean}} message */
    view(message) { ({view, paused} = message); refreshSoon(); energy.hold(paused || link?.state !== 'open'); },
    /** @param {{hz: number}} message */
    rate({hz}) { columnsEach_ms = 1000 / hz; latestEach_ms = 1000 / hz; },
    /** @param {{sample: Record<string, number>}} message */
    ui({sample}) { link?.send({ui: sample}); },
    /** The energy band. @param {any} message */
    energy({ask, ...rest}) {
        if (ask === 'canvas') energy.show(rest);
        if (ask === 'size') energy.size(rest);
        if (ask === 'reduced') energy.reduce(rest.reduced);
        if (ask === 'level') energy.atLevel(rest.level);
        if (ask === 'evidence') energy.evidence(rest);
        if (ask === 'table') energy.table();
    },
};

self.onmessage = ({data}) => receive[/** @type {keyof typeof receive} */ (data.type)]?.(data);

/** @param {LiveFrame} frame @param {number} took_ms */
function takeFrame(frame, took_ms) {
    decode_ms = took_ms;
    frames_total++;
    conflated_total += frame.conflated;
    absorb(frame);
    const newest_us = rings.newest_us;
    if (newest_us > 0 && frame.tables.length) ages_ms.push((clock.now_us() - newest_us) / 1000);
    if (!frame.tables.length) return;
    dirty = true;
    if (sentVersion < 0) postLatest();
    // Drawn when a row of the fast tables comes; what is read once a second goes with the next of them.
    if (frame.tables.some((table) => table.rate_hz >= FAST_HZ)) drawSoon();
}

/** @param {LiveFrame} frame */
function absorb(frame) {
    rings.enter(frame.epoch);
    let unknown = false;
    for (const table of frame.tables) unknown = !rings.take(table) || unknown;
    if (unknown) link?.send({key: true});
    energy.take(frame);
    if (frame.requests.length) post({type: 'requests', requests: frame.requests});
    if (frame.events.length) post({type: 'events', events: frame.events});
    if (frame.processes) post({type: 'processes', table: frame.processes});
    if (frame.health.length) post({type: 'health', services: frame.health});
}

/** @param {any} message */
function takeText(message) {
    if (typeof message?.pong !== 'number' || typeof message.server_us !== 'number') return;
    if (clock.pong(message.pong * 1000, message.server_us, localNow_us())) ping();
}

function ping() { link?.send({ping: localNow_us() / 1000}); }

/** @param {import('../types').LinkState} state */
function takeState(state) {
    post({type: 'link', link: state});
    energy.hold(paused || state.state !== 'open');
    if (state.state === 'open') {
        ping();
        void backfill();
    }
    dirty = true;
}

/** What came while the page was not there: the aggregator's rings, five minutes at most. */
async function backfill() {
    if (link?.state !== 'open') return;
    const missed_s = (clock.now_us() - rings.newest_us) / 1e6 + 5;
    const seconds = Math.ceil(Math.min(BACKFILL_S, Number.isFinite(missed_s) ? missed_s : BACKFILL_S));
    try {
        const answer = await fetch(`${base}/api/v1/backfill?seconds=${seconds}`, {headers: authorized(token)});
        if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
        const data = new Uint8Array(await answer.arrayBuffer());
        absorb(readLiveFrame(new PbfReader(data), data.byteLength));
        dirty = true;
        refresh();
    } catch {
        // The aggregator is not there yet, or the line has gone again: while it is open, ask once more.
        if (link?.state === 'open') setTimeout(backfill, AGAIN_MS);
    }
}

function window_us() {
    const now_us = clock.now_us();
    return view.live ? [now_us - view.span_s * 1e6, now_us] : [view.from_us, view.to_us];
}

/** Whether the page's own rows answer the view. @param {number} from_us */
function held(from_us) {
    if (view.live && view.span_s <= BACKFILL_S) return true;
    return rings.all.some((ring) => ring.rate_hz >= FAST_HZ && ring.oldest_us <= from_us);
}

/** @param {PlotColumns} columns */
function postColumns(columns) {
    const transfer = [columns.x.buffer, ...columns.ys.map((y) => y.buffer)];
    post({type: 'columns', columns, clock_offset_us: clock.offset_us}, /** @type {Transferable[]} */ (transfer));
}

let scheduled = 0;
function drawSoon() {
    if (scheduled || !view.live || !held(0)) return;
    // Rows come on a grid, but not to the millisecond: a little early is still its turn.
    const wait = Math.max(0, columnsEach_ms * 0.8 - (performance.now() - sentColumns_ms));
    if (!wait) return drawHeld(false);
    scheduled = setTimeout(() => { scheduled = 0; drawHeld(false); }, wait);
}

/** @param {boolean} [all] else a plot whose series have told nothing since only scrolls */
function drawHeld(all = true) {
    const [from_us, to_us] = window_us();
    const now_ms = sentColumns_ms = performance.now();
    for (const spec of plots.values()) {
        const before = drawn.get(spec.id), told_us = toldOf(spec);
        if (!all && before && Object.is(before.told_us, told_us) && now_ms - before.at_ms < SCROLL_MS) continue;
        drawn.set(spec.id, {told_us, at_ms: now_ms});
        postColumns(plotColumns(rings, spec, from_us, to_us));
    }
}

/** The newest row of what a plot draws, NaN: none. @param {PlotSpec} spec */
function toldOf({lines, heat}) {
    let told_us = NaN;
    for (const {metric, source} of heat ? [...lines, {metric: heat.metric, source: undefined}] : lines) {
        for (const {ring} of rings.matching(metric, source)) if (!(ring.newest_us <= told_us)) told_us = ring.newest_us;
    }
    return told_us;
}

let refreshing = 0;
/** All panels tell their width at once; that is one question, not one each. */
function refreshSoon() {
    clearTimeout(refreshing);
    refreshing = setTimeout(refresh, 20);
}

/** Draws the view anew, from the rings or by asking. */
function refresh() {
    asking?.abort();
    asking = null;
    const [from_us, to_us] = window_us();
    if (held(from_us)) return drawHeld();
    if (!link) return;
    const own = asking = new AbortController();
    const ask = asker(base, token, from_us, to_us, own.signal);
    for (const spec of plots.values()) {
        historyColumns(ask, spec, from_us, to_us).then(postColumns, (error) => {
            if (!own.signal.aborted) post({type: 'history-error', id: spec.id, reason: String(error?.message ?? error)});
        });
    }
}

setInterval(() => { if (view.live && !held(0) && link?.state === 'open') refresh(); }, REFRESH_MS);
setInterval(ping, ROUND_EACH_MS);
// While nothing arrives, the gap at the right edge still grows.
setInterval(() => {
    if (view.live && held(0) && link && link.state === 'open' && performance.now() - sentColumns_ms > LATEST_MS) drawHeld();
}, LATEST_MS);

function postLatest() {
    if (!dirty || performance.now() - sentLatest_ms < latestEach_ms - 20) return;
    dirty = false;
    sentLatest_ms = performance.now();
    const all = [...rings.series.entries()];
    if (rings.version !== sentVersion) {
        sentVersion = rings.version;
        post({type: 'series', ids: all.map(([id]) => id), keys: all.map(([, {key}]) => key), periods_us: all.map(([, {ring}]) => ring.period_us)});
    }
    const values = new Float64Array(all.length), times = new Float64Array(all.length);
    all.forEach(([, {ring, column}], at) => {
        values[at] = ring.end > ring.start ? ring.columns[column][ring.end - 1] : NaN;
        times[at] = ring.newest_us;
    });
    if (ages_ms.length) {
        behind_ms = ages_ms.sort((a, b) => a - b)[ages_ms.length >> 1];
        ages_ms = [];
    }
    post({
        type: 'latest', values, times, paused, behind_ms, decode_ms, conflated_total, frames_total,
        clock_offset_us: clock.offset_us, round_trip_ms: clock.round_trip_ms,
    }, [values.buffer, times.buffer]);
}
setInterval(postLatest, LATEST_MS);
