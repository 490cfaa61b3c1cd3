// Tells a WIRTHFORGE Monitor of this machine which tokens your JavaScript takes from a model, and when.
//
//   import { Probe } from "./probe.js";
//   const probe = new Probe();                        // posts to /api/v1/tokens of the page's own server
//   const answer = probe.generation("llama3:8b", { runtime: "webllm" });
//   for await (const token of stream) answer.token({ topk: token.logprobs });
//   answer.finish("stop");
//
// The monitor's door takes nothing from pages of other origins: let the page's own server pass the address on with
// the API token (docs/sdk.md). Node and Deno post directly: new Probe({ url: "http://127.0.0.1:9460/api/v1/tokens",
// token }). Numbers alone are sent, never text; nothing is thrown into the caller; what cannot be sent is counted.

const TICK_MS = 16;
const QUEUE_LIMIT = 8192;
const ROWS_AT_ONCE = 1024;
const STALL_MS = 400; // CONTRACTS §2
const GAPS_LIMIT = 100_000;
const PAUSE_MS = 5000;
const ALIVE_EACH_MS = 20_000; // the monitor ends a generation that is not heard of for 90 s
// What the monitor takes of one token; more would cost all that goes in the same message.
const TOKENS_LIMIT = 100_000;
const NAME = /^[A-Za-z0-9._:/@+-]{1,200}$/;
const RUNTIME = /^[A-Za-z0-9._+-]{0,40}$/;
const REASONS = ["", "stop", "length", "tool", "abort", "error"];
const LOOPBACK = ["127.0.0.1", "localhost", "[::1]"];

/**
 * Entropy in bits with its bounds and certainty 1 − H/ln K (CONTRACTS §2); null for what is no distribution.
 * @param {readonly number[]} topk probabilities, or their natural logarithms
 * @param {number} vocabulary
 */
export function measure(topk, vocabulary) {
  if (!topk.length || !topk.every((value) => typeof value === "number" && value === value)) return null;
  let p = topk.every((value) => value <= 0) ? topk.map(Math.exp) : [...topk];
  p.sort((a, b) => b - a);
  let mass = p.reduce((sum, value) => sum + value, 0);
  if (p[p.length - 1] < 0 || !(mass > 0 && mass <= 1.001) || (p[0] === 1 && !p[1])) return null;
  if (mass > 1) {
    p = p.map((value) => value / mass);
    mass = 1;
  }
  const seen = Math.max(0, -p.reduce((sum, value) => sum + (value > 0 ? value * Math.log2(value) : 0), 0));
  const rest = 1 - mass;
  const left = vocabulary - p.length;
  let low = seen;
  let high = seen;
  if (rest > 0 && left > 0) {
    low += rest * Math.log2(1 / (Math.min(p[p.length - 1], rest) || rest));
    high = Math.max(low, seen + rest * Math.log2(left / rest));
  }
  const certainty = p.length === 1 ? 1 : 1 - (seen / mass + Math.log2(mass)) / Math.log2(p.length);
  const bits = mass >= 0.9 ? (low + high) / 2 : null;
  return { bits, low, high, mass, certainty: Math.min(1, Math.max(0, certainty)) };
}

export class Probe {
  /** @param {{ url?: string, token?: string | null }} [options] */
  constructor({ url = "/api/v1/tokens", token = null } = {}) {
    this.dropped = 0;
    /** @type {string | null} why not all of it arrives */
    this.trouble = null;
    this._url = near(url);
    this._headers = { "Content-Type": "application/json", ...(token ? { Authorization: `Bearer ${token}` } : {}) };
    this._waiting = new Map();
    this._records = [];
    this._scores = [];
    this._rows = 0;
    this._told = 0;
    this._open = new Map();
    this._alive = null;
    this._timer = null;
    this._busy = false;
    this._pausedUntil = 0;
    globalThis.addEventListener?.("pagehide", () => this._flush(true));
    if (!this._url) this.trouble = "url is neither of this page's server nor of this machine";
  }

  /**
   * A generation whose prompt is sent now.
   * @param {string} model
   * @param {{ runtime?: string, promptTokens?: number, vocabulary?: number }} [options]
   */
  generation(model, options = {}) {
    return new Generation(this, model, options);
  }

  /** The score of one small task with a known answer, from 0 to 1: metric model.accuracy_proxy. */
  task(model, score) {
    if (!NAME.test(model) || !(score >= 0 && score <= 1)) return void this._lose(1, "a task needs a name and a score");
    const fields = { "accuracy_proxy[type=score]": Number(score) };
    this._scores.push({ ts: Date.now(), source: `model:${model}`, kind: "performance", fields });
    this._wake();
  }

  _lose(count, why) {
    this.dropped += count;
    this.trouble = why;
  }

  _wake() {
    this._timer ??= setTimeout(() => this._flush(false), TICK_MS);
  }

  /** A generation that is silent for long is still one: says so until it ends. */
  _watch() {
    this._alive ??= setInterval(() => {
      for (const generation of this._open.values()) generation._wait();
      if (!this._open.size) this._alive = void clearInterval(this._alive);
    }, ALIVE_EACH_MS);
    this._alive.unref?.(); // Node ends without it
  }

  async _flush(leaving) {
    clearTimeout(this._timer);
    this._timer = null;
    if (this._busy && !leaving) return;
    this._busy = true;
    const lost = this.dropped;
    const bursts = [...this._waiting.values()].flatMap((generation) => generation._bursts());
    const requests = this._records.splice(0, 64);
    const scores = this._scores.splice(0, 1000);
    this._waiting.clear();
    const rows = this._rows;
    this._rows = 0;
    for (let at = 0; at < bursts.length || at === 0; at += 64) {
      const part = { bursts: bursts.slice(at, at + 64), requests: at ? [] : requests, dropped: lost - this._told };
      if (part.bursts.length || part.requests.length) {
        if (await this._post("", part, leaving)) this._told = lost;
        else this.dropped += Math.max(1, Math.round((rows * part.bursts.length) / (bursts.length || 1)));
      }
    }
    if (scores.length && !(await this._post("ingest", scores, leaving))) this.dropped += scores.length;
    this._busy = false;
    if (this._waiting.size || this._records.length || this._scores.length) this._wake();
  }

  async _post(name, body, leaving) {
    if (!this._url || performance.now() < this._pausedUntil) return false;
    const url = name ? this._url.replace(/tokens$/, name) : this._url;
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: this._headers,
        body: JSON.stringify(body),
        keepalive: leaving,
        credentials: "omit",
      });
      await answer.arrayBuffer();
      this.trouble = answer.ok ? null : `the monitor refused (${answer.status})`;
      if (!answer.ok && answer.status !== 400 && answer.status !== 409) this._pause();
      return answer.ok;
    } catch {
      this.trouble = "no monitor answers";
      this._pause();
      return false;
    }
  }

  _pause() {
    this._pausedUntil = performance.now() + PAUSE_MS;
  }
}

export class Generation {
  /** Made by Probe.generation. */
  constructor(probe, model, { runtime = "", promptTokens, vocabulary }) {
    this._probe = probe;
    this._named = typeof model === "string" && NAME.test(model) && RUNTIME.test(runtime);
    this._model = model;
    this._runtime = runtime;
    this._promptTokens = isCount(promptTokens, 1e9) ? promptTokens : undefined;
    this._vocabulary = Number.isInteger(vocabulary) ? vocabulary : 2 ** 19;
    this._id = Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
    // One reading of the wall clock, and the page's own clock from there: gaps stay true when the wall clock steps.
    this._wallMs = Date.now() - performance.now();
    this._start = performance.now();
    this._concurrent = probe._open.size;
    this._rows = [];
    this._gaps = [];
    this._bits = [];
    this._tokens = this._thinking = this._stalls = 0;
    this._first = this._last = this._answer = null;
    this._whole = true;
    this._sent = this._ended = false;
    if (!this._named) probe.trouble = "a model's or runtime's name holds more than letters, digits and . _ : / @ + -";
    else {
      probe._open.set(this._id, this);
      probe._watch();
      this._wait();
    }
  }

  /** @param {{ topk?: readonly number[] | null, count?: number, thinking?: boolean }} [token] that came now */
  token({ topk = null, count = 1, thinking = false } = {}) {
    const probe = this._probe;
    if (!this._named || this._ended || probe._rows >= QUEUE_LIMIT) {
      this._whole = false;
      probe.dropped += 1;
      return;
    }
    const now = performance.now();
    const groups = isCount(count, TOKENS_LIMIT) ? count || 1 : 1;
    if (this._last !== null) {
      if (this._gaps.length < GAPS_LIMIT) this._gaps.push(now - this._last);
      if (now - this._last > STALL_MS) this._stalls += 1;
    }
    this._first ??= now;
    this._last = now;
    if (!thinking) this._answer ??= now;
    this._tokens += groups;
    if (thinking) this._thinking += groups;
    this._rows.push([now, groups, Boolean(thinking), Array.isArray(topk) && topk.length <= 256 ? topk : null]);
    probe._rows += 1;
    this._wait();
  }

  /** The answer ended: stop, length, tool, abort or error; `error` is the class of one, never its text. */
  finish(reason = "", error = "") {
    if (!this._named || this._ended) return;
    this._ended = true;
    this._end = performance.now();
    this._probe._open.delete(this._id);
    this._reason = REASONS.includes(reason) ? reason : "";
    this._error = /^[A-Za-z_]\w{0,79}$/.test(error) ? error : "";
    this._wait();
  }

  _wait() {
    this._probe._waiting.set(this._id, this);
    this._probe._wake();
  }

  _bursts() {
    const head = { model: this._model, request: this._id };
    const bursts = this._sent ? [] : [{ ...head, phase: "sent" }];
    this._sent = true;
    const rows = this._rows.splice(0);
    if (!rows.length && !bursts.length && !this._ended) bursts.push({ ...head, phase: "flowing" });
    for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
      const part = rows.slice(at, at + ROWS_AT_ONCE);
      const measured = part.map(([, , , topk]) => topk && measure(topk, this._vocabulary));
      this._bits.push(...measured.filter((one) => one?.bits != null).map((one) => one.bits));
      bursts.push({
        ...head,
        phase: "flowing",
        times_us: part.map(([now]) => Math.round((this._wallMs + now) * 1000)),
        tokens: part.map(([, count]) => count),
        thinking: part.map(([, , thinking]) => thinking),
        entropy_bits: measured.map((one) => one?.bits ?? null),
        entropy_low_bits: measured.map((one) => one?.low ?? null),
        entropy_high_bits: measured.map((one) => one?.high ?? null),
        entropy_mass: measured.map((one) => one?.mass ?? null),
        certainty: measured.map((one) => one?.certainty ?? null),
      });
    }
    if (this._ended) {
      bursts.push({ ...head, phase: "ended" });
      if (this._whole) this._probe._records.push(this._record());
    }
    return bursts;
  }

  /** The RequestRecord (CONTRACTS §6); JSON leaves out what is undefined: it was not measured. */
  _record() {
    const since = (now) => (now === null ? undefined : now - this._start);
    const gaps = this._gaps.length < GAPS_LIMIT ? this._gaps.sort((a, b) => a - b) : [];
    const rank = (share) => gaps[Math.ceil(share * gaps.length) - 1];
    return {
      id: this._id,
      model: this._model,
      runtime: this._runtime,
      start_us: Math.round((this._wallMs + this._start) * 1000),
      finish_reason: this._reason,
      error: this._error,
      prompt_tokens: this._promptTokens,
      output_tokens: this._tokens,
      reasoning_tokens: this._thinking || undefined,
      ttft_ms: since(this._first),
      ttfa_ms: since(this._answer),
      // To its last token, whenever its caller says that it ended; one that failed, or that had none, until then.
      e2e_ms: since(this._reason === "error" ? this._end : (this._last ?? this._end)),
      tpot_ms: gaps.length ? (this._last - this._first) / (this._tokens - 1) : undefined,
      itl_p50_ms: rank(0.5),
      itl_p95_ms: rank(0.95),
      itl_max_ms: rank(1),
      entropy_mean_bits: this._bits.length ? this._bits.reduce((sum, one) => sum + one, 0) / this._bits.length : undefined,
      concurrent: this._concurrent,
      stalls: this._stalls,
    };
  }
}

/** Whether a value is a whole number from 0 to `most`. */
function isCount(value, most) {
  return Number.isInteger(value) && value >= 0 && value <= most;
}

/** The address, where it is of the page's own server or of this machine; else null. */
function near(url) {
  try {
    const base = globalThis.location?.href;
    const full = new URL(url, base);
    const own = base !== undefined && full.origin === new URL(base).origin;
    return own || (full.protocol === "http:" && LOOPBACK.includes(full.hostname)) ? full.href : null;
  } catch {
    return null;
  }
}
