/**
 * The way to the gateway: a ticket, then a WebSocket; server-sent events where that is refused twice.
 *
 *     connecting → open → waiting → connecting …      refused: the token is not known; nothing is tried until start()
 *
 * The browser cannot push back on a WebSocket, so the newest sequence is acknowledged each 15 frames, a quarter of a
 * second at 60 Hz, and each second (DASHBOARD "Data to pixels"): at ten frames a second four answers would wake the
 * gateway nearly as often as its frames do.
 */
import {PbfReader} from '../vendor/pbf/pbf.js';
import {readLiveFrame} from '../gen/live.js';
import {backoff_ms} from './backoff.js';
import {frameFromJson} from './json.js';

/** @typedef {import('../types').LiveFrame} LiveFrame */
/** @typedef {import('../types').LinkState} LinkState */

const ACK_FRAMES = 15;
const BEAT_MS = 1000;
/** A key frame and a ping answer come each second at least; silence this long is a dead line. */
const SILENT_MS = 4000;
const TRIES_BEFORE_SSE = 2;

/** @param {string} token */
export function authorized(token) {
    return {Authorization: `Bearer ${token}`, 'Content-Type': 'application/json'};
}

export class Link {
    /**
     * @param {string} base @param {string} token
     * @param {{frame: (frame: LiveFrame, decode_ms: number) => void, text: (message: any) => void, state: (state: LinkState) => void}} on
     * @param {'auto'|'sse'} transport
     */
    constructor(base, token, on, transport) {
        this.base = base;
        this.token = token;
        this.on = on;
        this.only = transport;
        /** @type {LinkState['state']} */
        this.state = 'connecting';
        /** @type {'ws'|'sse'} */
        this.transport = transport === 'sse' ? 'sse' : 'ws';
        this.attempt = 0;
        this.refusals = 0;
        this.lastSeen_us = NaN;
        this.heard_ms = 0;
        this.seq = 0;
        /** Frames taken since the last acknowledgement. */
        this.unacked = 0;
        /** @type {WebSocket|EventSource|null} */
        this.line = null;
        this.retry = 0;
        this.timer = setInterval(() => this.beat(), BEAT_MS);
    }

    start() { void this.connect(); }

    /** @param {LinkState['state']} state @param {string} [reason] @param {number} [retry_in_ms] */
    enter(state, reason = '', retry_in_ms = 0) {
        this.state = state;
        this.on.state({state, transport: this.transport, reason, retry_in_ms, last_seen_us: this.lastSeen_us});
    }

    async connect() {
        this.close();
        this.enter('connecting');
        let ticket;
        try {
            const answer = await fetch(`${this.base}/api/v1/ticket`, {method: 'POST', headers: authorized(this.token), body: '{}', signal: AbortSignal.timeout(2000)});
            if (answer.status === 401) return this.enter('refused', 'the monitor does not know this page\'s key any more');
            if (!answer.ok) return this.later(`the gateway gave no ticket (HTTP ${answer.status})`);
            ticket = encodeURIComponent((await answer.json()).ticket);
        } catch {
            return this.later('the gateway does not answer');
        }
        if (this.transport === 'ws') this.openSocket(ticket);
        else this.openStream(ticket);
    }

    /** @param {string} ticket */
    openSocket(ticket) {
        const socket = new WebSocket(`${this.base.replace(/^http/, 'ws')}/ws?ticket=${ticket}`);
        socket.binaryType = 'arraybuffer';
        this.line = socket;
        let opened = false;
        socket.onopen = () => { opened = true; this.opened(); };
        socket.onmessage = ({data}) => {
            this.heard_ms = performance.now();
            if (typeof data === 'string') return this.text(data);
            const started = performance.now();
            let frame;
            try {
                frame = readLiveFrame(new PbfReader(new Uint8Array(data)), data.byteLength);
            } catch (error) {
                return this.later(`a frame could not be read (${error instanceof Error ? error.message : error})`);
            }
            this.take(frame, performance.now() - started);
        };
        socket.onclose = () => {
            if (this.line !== socket) return;
            if (!opened && this.only === 'auto' && ++this.refusals >= TRIES_BEFORE_SSE) this.transport = 'sse';
            this.later('the connection ended');
        };
    }

    /** @param {string} ticket */
    openStream(ticket) {
        const stream = new EventSource(`${this.base}/sse?ticket=${ticket}`);
        this.line = stream;
        stream.onopen = () => this.opened();
        stream.onmessage = ({data}) => {
            this.heard_ms = performance.now();
            const started = performance.now();
            let frame;
            try {
                frame = frameFromJson(JSON.parse(data));
            } catch {
                return;
            }
            this.take(frame, performance.now() - started);
        };
        // The browser would ask again with the ticket it has spent; we get a new one.
        stream.onerror = () => {
            if (this.line !== stream) return;
            if (this.only === 'auto') { this.transport = 'ws'; this.refusals = 0; }
            this.later('the stream ended');
        };
    }

    opened() {
        this.attempt = 0;
        this.refusals = 0;
        this.unacked = 0;
        this.heard_ms = performance.now();
        this.enter('open');
    }

    /** @param {string} data */
    text(data) {
        try {
            this.on.text(JSON.parse(data));
        } catch {
            // Not ours to read: the next frame is.
        }
    }

    /** @param {LiveFrame} frame @param {number} decode_ms */
    take(frame, decode_ms) {
        this.seq = frame.seq;
        this.lastSeen_us = frame.time_us;
        this.on.frame(frame, decode_ms);
        if (++this.unacked >= ACK_FRAMES) this.acknowledge();
    }

    beat() {
        if (this.state !== 'open') return;
        if (performance.now() - this.heard_ms > SILENT_MS) return this.later('the gateway fell silent');
        if (this.unacked) this.acknowledge();
    }

    acknowledge() {
        this.unacked = 0;
        this.send({ack: this.seq});
    }

    /** @param {object} message @returns {boolean} whether it left */
    send(message) {
        if (!(this.line instanceof WebSocket) || this.line.readyState !== WebSocket.OPEN) return false;
        this.line.send(JSON.stringify(message));
        return true;
    }

    /** @param {string} reason */
    later(reason) {
        this.close();
        const wait_ms = backoff_ms(this.attempt++, Math.random());
        this.enter('waiting', reason, wait_ms);
        clearTimeout(this.retry);
        this.retry = setTimeout(() => this.connect(), wait_ms);
    }

    close() {
        const line = this.line;
        this.line = null;
        clearTimeout(this.retry);
        line?.close();
    }
}
