"""Tells a WIRTHFORGE Monitor of this machine which tokens your own code takes from a model, and when.

    from wirthforge_probe import Probe

    probe = Probe()                                  # finds the monitor by itself; silent where none runs
    with probe.generation("llama3:8b", runtime="transformers") as answer:
        for token in model_stream:                   # yours
            answer.token(topk=token.logprobs)        # logarithms or probabilities, or nothing
        answer.finish("stop")
    probe.task("llama3:8b", score=1.0)               # a small task with a known answer: right (1) to wrong (0)

Copy this one file; it needs Python 3.9 and its standard library. Numbers alone leave it, over loopback alone: there is
no argument that takes a prompt or an answer. It never raises into the caller, never waits for the monitor, and what
it cannot send it drops and counts (`probe.dropped`); `probe.trouble` says why in one sentence.
"""

from __future__ import annotations

import atexit
import contextlib
import http.client
import json
import math
import operator
import os
import re
import secrets
import sys
import threading
import time
import weakref
from array import array
from collections import deque
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, SupportsIndex
from urllib.parse import urlsplit

__all__ = ["Generation", "Probe"]

_TICK_S = 0.016  # a display's frame: tokens wait no longer than that to be sent together
_QUEUE_LIMIT = 8192  # 80 s at 100 tokens a second
_TAKEN_AT_ONCE = 256  # what the monitor takes in one message
_TOPK_LIMIT = 256
# What the monitor takes; one figure beyond it would cost all that goes in the same message.
_TOKENS_LIMIT = 100_000
_ERROR_LIMIT = 80
_LONGEST_NS = 86_400 * 10**9
_KEPT_MESSAGES = 128  # two seconds of ticks: the monitor's door may restart meanwhile
_EXIT_WITHIN_S = 0.4
_ANSWER_WITHIN_S = 2.0
_IDLE_CLOSE_S = 15.0  # the door closes silent connections after 30 s
_LOOK_AGAIN_S = (0.1, 0.1, 0.2, 0.4, 0.8, 1.6, 5.0)
_ALIVE_EACH_S = 20.0  # the monitor ends a generation that is not heard of for 90 s
_STALL_MS = 400.0  # CONTRACTS §2
_GAPS_LIMIT = 100_000
_STALLS_LIMIT = 64
_REASONS = frozenset({"", "stop", "length", "tool", "abort", "error"})
_NAME = re.compile(r"[A-Za-z0-9._:/@+\-]{1,200}")
_RUNTIME = re.compile(r"[A-Za-z0-9._+\-]{0,40}")
_BAD: tuple[Any, ...] = ("",)
_now_ns = time.monotonic_ns
_probes: weakref.WeakSet[Probe] = weakref.WeakSet()


class Probe:
    """One a process is enough; threads may share it. `home`, `token` and `url` are found where they are not given."""

    def __init__(self, home: str | os.PathLike[str] | None = None, token: str | None = None, url: str | None = None):
        self._door = _Door(home, token, url)
        self._losses = _Losses()
        self._fresh()
        _probes.add(self)

    def _fresh(self) -> None:
        """Nothing queued and no thread: at the start, and in the child of a fork."""
        self._door.close()
        self._losses.clear()
        self._lock = threading.RLock()
        self._thread: threading.Thread | None = None
        self._sender = _Sender(self._door, self._losses)

    def generation(
        self,
        model: str,
        runtime: str = "",
        *,
        prompt_tokens: int | None = None,
        cached_tokens: int | None = None,
        vocabulary: int | None = None,
    ) -> Generation:
        """A generation whose prompt is sent now. `vocabulary`: how many tokens the model has, for a closer bound."""
        meter = _Meter(model, runtime, prompt_tokens, cached_tokens, vocabulary)
        generation = Generation(self._sender.queue, meter, self._losses)
        self._put((meter, _now_ns(), "sent", None, None))
        return generation

    def task(self, model: str, score: float) -> None:
        """The score of one small task with a known answer, 0 (wrong) to 1 (right): metric model.accuracy_proxy."""
        self._put((None, _now_ns(), "task", model, score))

    @property
    def dropped(self) -> int:
        """Tokens, records and scores that were thrown away: no monitor, or more than could be sent."""
        return self._losses.total

    @property
    def trouble(self) -> str | None:
        """Why not all of it arrives; None while all is well, or while nothing was sent yet."""
        return self._door.trouble or self._sender.misuse

    def close(self, within_s: float = _EXIT_WITHIN_S) -> None:
        """Sends what is left and ends the thread, within `within_s`. Runs by itself when the interpreter exits."""
        thread = self._thread
        if thread is not None:
            self._sender.stop()
            thread.join(within_s)

    def _put(self, item: _Item) -> None:
        try:
            if self._thread is None:
                self._start()
            if len(self._sender.queue) < 2 * _QUEUE_LIMIT and not self._sender.stopping:
                self._sender.queue.append(item)
                self._sender.wake()
                return
        except Exception as error:  # no thread can start at the interpreter's end
            self._door.trouble = f"the probe's thread did not start: {type(error).__name__}"
        self._losses.add()

    def _start(self) -> None:
        with self._lock:
            if self._thread is None:
                thread = threading.Thread(target=self._sender.run, name="wirthforge-probe", daemon=True)
                thread.start()
                self._thread = thread


class Generation:
    """One answer of a model. Leaving its `with` ends it; an exception in there is told by its class alone."""

    __slots__ = ("_ended", "_losses", "_meter", "_queue")

    def __init__(self, queue: deque[_Item], meter: _Meter, losses: _Losses) -> None:
        self._queue = queue
        self._meter = meter
        self._losses = losses
        self._ended = False

    def token(self, topk: Sequence[float] | None = None, count: SupportsIndex = 1, thinking: bool = False) -> None:
        """`count` tokens came now; `topk` are the likeliest candidates' probabilities, or their natural logarithms."""
        if len(self._queue) >= _QUEUE_LIMIT:
            self._meter.whole = False
            self._losses.add()
            return
        if topk is not None:
            try:
                topk = tuple(topk) if len(topk) <= _TOPK_LIMIT else _BAD
            except Exception:
                topk = _BAD
        self._queue.append((self._meter, _now_ns(), topk, count, thinking))

    def finish(self, reason: str = "", error: str = "") -> None:
        """The answer ended: stop, length, tool, abort or error. The first call counts."""
        if not self._ended:
            self._ended = True
            self._queue.append((self._meter, _now_ns(), "ended", reason, error))

    def __enter__(self) -> Generation:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.finish()
        elif issubclass(kind, Exception):
            self.finish("error", kind.__name__)
        else:  # KeyboardInterrupt, GeneratorExit, a cancelled task
            self.finish("abort", kind.__name__)

    def __del__(self) -> None:
        self.finish("abort")


# (meter, monotonic ns, then) top-k, count, thinking · "sent" · "ended", reason, error · "task", model, score
_Item = Any


class _Losses:
    """How many things were thrown away, counted from any thread."""

    def __init__(self) -> None:
        self.clear()

    def clear(self) -> None:
        self._lock = threading.RLock()  # one that a signal handler may take again
        self.total = 0

    def add(self, count: int = 1) -> None:
        with self._lock:
            self.total += count


class _Measured(NamedTuple):
    """What a token's candidates tell; a point value is absent below a seen mass of 0.9."""

    bits: float | None
    low_bits: float
    high_bits: float
    certainty: float
    mass: float


def _measure(topk: Iterable[Any], vocabulary: int) -> _Measured | None:
    """Entropy in bits with its bounds, and certainty 1 − H/ln K of the renormalised top-K (CONTRACTS §2).

    With mass M of the k candidates, and r = 1 − M of the V − k others, none likelier than the least of the k:
    H_k + r·log₂(1/min(p_k, r)) ≤ H ≤ H_k + r·log₂((V − k)/r). None for what is no distribution, and for the bare p = 1
    that speculative decoding reports in place of one.
    """
    values = array("d", topk)  # takes numbers and tensors of one, never text
    if not values or any(value != value for value in values):
        return None
    if max(values) <= 0.0:
        values = array("d", map(math.exp, values))
    weights = sorted(values, reverse=True)
    mass = math.fsum(weights)
    if weights[-1] < 0.0 or not 0.0 < mass <= 1.001 or (weights[0] == 1.0 and not any(weights[1:])):
        return None
    if mass > 1.0:
        weights, mass = [weight / mass for weight in weights], 1.0
    seen_bits = max(0.0, -math.fsum(weight * math.log2(weight) for weight in weights if weight > 0.0))
    rest, left = 1.0 - mass, vocabulary - len(weights)
    low = high = seen_bits
    if rest > 0.0 and left > 0:
        low += rest * math.log2(1.0 / (min(weights[-1], rest) or rest))
        high = max(low, seen_bits + rest * math.log2(left / rest))
    certainty = 1.0
    if len(weights) > 1:
        # −Σ (p/M) log₂(p/M) = H_k/M + log₂ M
        certainty -= (seen_bits / mass + math.log2(mass)) / math.log2(len(weights))
    return _Measured((low + high) / 2.0 if mass >= 0.9 else None, low, high, min(max(certainty, 0.0), 1.0), mass)


class _Meter:
    """One generation as it is measured; lives in the probe's thread. Times are monotonic nanoseconds."""

    def __init__(
        self, model: str, runtime: str, prompt: int | None, cached: int | None, vocabulary: int | None
    ) -> None:
        self.named = (
            isinstance(model, str)
            and isinstance(runtime, str)
            and bool(_NAME.fullmatch(model))
            and bool(_RUNTIME.fullmatch(runtime))
        )
        self.model, self.runtime = model, runtime
        self.request = secrets.token_hex(16)
        self._told = {"prompt_tokens": _count(prompt), "cached_tokens": _count(cached)}
        self._vocabulary = _count(vocabulary) or 2**19  # twice the largest in use
        self.start_ns = self._first_ns = self._last_ns = self._answer_ns = 0
        self.concurrent = 0
        self.news: list[tuple[int, int, bool, _Measured | None]] = []
        self.phase = ""
        self.whole = True  # no token of it was dropped
        self._tokens = self._thinking = 0
        self._gaps_ms, self._bits = array("d"), array("d")
        self._stalls: list[tuple[float, float]] = []
        self._stalls_total = 0

    def token(self, at_ns: int, topk: Any, count: Any, thinking: Any) -> bool:
        """Takes a token group; False: `topk` is no distribution, the token counts all the same."""
        count = _count(count, _TOKENS_LIMIT) or 1
        try:
            thinking = bool(thinking)
        except Exception:  # an array of several has no truth
            thinking = False
        at_ns = max(at_ns, self._last_ns)  # of two threads the later may come first
        try:
            measured = None if topk is None else _measure(topk, self._vocabulary)
        except (TypeError, ValueError, OverflowError):
            measured = None
        self.news.append((at_ns, count, thinking, measured))
        if self._last_ns:
            self._gap((at_ns - self._last_ns) / 1e6)
        self._first_ns = self._first_ns or at_ns
        self._last_ns = at_ns
        self._tokens += count
        if thinking:
            self._thinking += count
        else:
            self._answer_ns = self._answer_ns or at_ns
        if measured is not None and measured.bits is not None:
            self._bits.append(measured.bits)
        return topk is None or measured is not None

    def _gap(self, gap_ms: float) -> None:
        if len(self._gaps_ms) < _GAPS_LIMIT:
            self._gaps_ms.append(gap_ms)
        if gap_ms > _STALL_MS:
            self._stalls_total += 1
            if len(self._stalls) < _STALLS_LIMIT:
                self._stalls.append(((self._last_ns - self.start_ns) / 1e6, gap_ms))

    def burst(self, wall_us: int) -> dict[str, Any]:
        """What is new as a burst of /api/v1/tokens; `wall_us` is the wall clock at monotonic zero."""
        news, self.news = self.news, []
        burst: dict[str, Any] = {"model": self.model, "request": self.request, "phase": self.phase}
        if news:
            burst["times_us"] = [wall_us + at_ns // 1000 for at_ns, _, _, _ in news]
            burst["tokens"] = [count for _, count, _, _ in news]
            burst["thinking"] = [thinking for _, _, thinking, _ in news]
            measured = [one for _, _, _, one in news]
            if any(measured):
                burst["entropy_bits"] = [one and one.bits for one in measured]
                burst["entropy_low_bits"] = [one and one.low_bits for one in measured]
                burst["entropy_high_bits"] = [one and one.high_bits for one in measured]
                burst["entropy_mass"] = [one and one.mass for one in measured]
                burst["certainty"] = [one and one.certainty for one in measured]
        return burst

    def record(self, wall_us: int, ended_ns: int, reason: Any, error: Any) -> dict[str, Any]:
        """The RequestRecord (CONTRACTS §6); what was not measured is not in it.

        An answer lasts to its last token, whenever its caller says that it ended; one that failed, or that had none,
        until then.
        """
        failed = reason == "error" or not self._last_ns
        gaps_ms = sorted(self._gaps_ms) if len(self._gaps_ms) < _GAPS_LIMIT else []
        record = {
            **self._told,
            "id": self.request,
            "model": self.model,
            "runtime": self.runtime,
            "start_us": wall_us + self.start_ns // 1000,
            "finish_reason": reason if isinstance(reason, str) and reason in _REASONS else "",
            "error": error[:_ERROR_LIMIT]
            if isinstance(error, str) and error.isidentifier() and error.isascii()
            else "",
            "output_tokens": self._tokens,
            "reasoning_tokens": self._thinking or None,
            "ttft_ms": self._since(self._first_ns),
            "ttfa_ms": self._since(self._answer_ns),
            "e2e_ms": self._since(max(ended_ns, self._last_ns) if failed else self._last_ns),
            "tpot_ms": (self._last_ns - self._first_ns) / 1e6 / (self._tokens - 1) if gaps_ms else None,
            "itl_p50_ms": _nearest_rank(gaps_ms, 0.5),
            "itl_p95_ms": _nearest_rank(gaps_ms, 0.95),
            "itl_max_ms": _nearest_rank(gaps_ms, 1.0),
            "entropy_mean_bits": math.fsum(self._bits) / len(self._bits) if self._bits else None,
            "concurrent": self.concurrent,
            "stalls": self._stalls_total,
            "stall": [{"at_ms": at_ms, "length_ms": gap_ms} for at_ms, gap_ms in self._stalls],
        }
        return {name: value for name, value in record.items() if value is not None}

    def _since(self, at_ns: int) -> float | None:
        return (at_ns - self.start_ns) / 1e6 if at_ns else None


def _count(value: Any, most: int = 10**9) -> int | None:
    """A whole number as an int, NumPy's too; None for what is none, or beyond `most`."""
    try:
        number = operator.index(value)
    except Exception:
        return None
    return number if not isinstance(value, bool) and 0 <= number <= most else None


def _nearest_rank(ordered: Sequence[float], share: float) -> float | None:
    return ordered[math.ceil(share * len(ordered)) - 1] if ordered else None


class _Sender:
    """The probe's thread: takes what is queued, measures it, and posts it, 60 times a second while tokens come."""

    def __init__(self, door: _Door, losses: _Losses) -> None:
        self.queue: deque[_Item] = deque()
        self.stopping = False
        self.misuse: str | None = None
        self._door = door
        self._losses = losses
        self._waker = threading.Lock()  # of all locks the one that a signal handler may release
        self._waker.acquire()
        self._open: dict[str, _Meter] = {}
        self._messages: deque[tuple[str, Any, int]] = deque()
        self._told_lost = 0
        self._spoke_s = 0.0

    def wake(self) -> None:
        with contextlib.suppress(RuntimeError):  # it is awake
            self._waker.release()

    def stop(self) -> None:
        self.stopping = True
        self.wake()

    def run(self) -> None:
        while not (self.stopping and not self.queue and not self._open):
            if not self.queue and not self._open and not self._messages:
                self._waker.acquire()
            elif not self.stopping:
                self._waker.acquire(timeout=_TICK_S)
            try:
                self._turn()
            except Exception as error:  # the caller's program comes first
                self._door.trouble = f"a fault of the probe: {type(error).__name__}"
                self._forget()
        self._door.close()

    def _turn(self) -> None:
        more = True
        while more:
            more = self._take()
            self._deliver()

    def _take(self) -> bool:
        """Measures at most 256 items and makes their messages; whether more are queued."""
        wall_us = (time.time_ns() - _now_ns()) // 1000
        bursts: list[dict[str, Any]] = []
        records: list[dict[str, Any]] = []
        scores: list[dict[str, Any]] = []
        touched: dict[str, _Meter] = {}
        taken = min(len(self.queue), _TAKEN_AT_ONCE)
        items = [self.queue.popleft() for _ in range(taken)]
        if self.stopping and not items:
            items = [(meter, _now_ns(), "ended", "abort", "") for meter in self._open.values()]
        for meter, at_ns, what, one, other in items:
            if meter is None:
                taken -= 1
                self._score(scores, wall_us + at_ns // 1000, one, other)
            elif what == "sent":
                self._begin(meter, at_ns, bursts, wall_us)
            elif meter.request not in self._open:
                self._losses.add()
            elif what == "ended":
                meter.phase = "ended"
                touched.pop(meter.request, None)
                del self._open[meter.request]
                bursts.append(meter.burst(wall_us))
                # Else its counts would not be true, or it is longer than the monitor believes.
                if meter.whole and at_ns - meter.start_ns < _LONGEST_NS:
                    records.append(meter.record(wall_us, at_ns, one, other))
            else:
                meter.phase = "flowing"
                touched[meter.request] = meter
                if not meter.token(at_ns, None if self._door.absent else what, one, other):
                    self.misuse = "a topk holds no probabilities, or not their natural logarithms"
        bursts += [meter.burst(wall_us) for meter in touched.values()]
        now_s = time.monotonic()
        if not bursts and self._open and now_s - self._spoke_s > _ALIVE_EACH_S:
            bursts = [{"model": one.model, "request": one.request, "phase": "flowing"} for one in self._alive()]
        if bursts:
            self._spoke_s = now_s
            self._keep("/api/v1/tokens", {"bursts": bursts, "requests": records}, taken)
        if scores:
            self._keep("/api/v1/ingest", scores, len(scores))
        return bool(self.queue)

    def _alive(self) -> list[_Meter]:
        return list(self._open.values())[:_TAKEN_AT_ONCE]

    def _begin(self, meter: _Meter, at_ns: int, bursts: list[dict[str, Any]], wall_us: int) -> None:
        if not meter.named:
            self.misuse = "a model's or runtime's name holds more than letters, digits and . _ : / @ + -"
            return
        meter.start_ns, meter.phase, meter.concurrent = at_ns, "sent", len(self._open)
        self._open[meter.request] = meter
        bursts.append(meter.burst(wall_us))

    def _score(self, scores: list[dict[str, Any]], time_us: int, model: Any, score: Any) -> None:
        named = isinstance(model, str) and _NAME.fullmatch(model)
        if not named or not isinstance(score, (int, float)) or not 0.0 <= score <= 1.0:
            self.misuse = "a task needs a model's name and a score from 0 to 1"
            self._losses.add()
            return
        fields = {"accuracy_proxy[type=score]": float(score)}
        scores.append({"ts": time_us / 1000, "source": f"model:{model}", "kind": "performance", "fields": fields})

    def _keep(self, path: str, message: Any, size: int) -> None:
        if len(self._messages) >= _KEPT_MESSAGES:
            self._losses.add(self._messages.popleft()[2])
        self._messages.append((path, message, size))

    def _deliver(self) -> None:
        """Sends messages in order. One that may have arrived is never sent again."""
        while self._messages and self._door.open():
            path, message, size = self._messages.popleft()
            lost = self._losses.total
            if path == "/api/v1/tokens":
                message["dropped"] = lost - self._told_lost
            if not self._door.post(path, message):
                self._losses.add(size)
            elif path == "/api/v1/tokens":
                self._told_lost = lost
        if self._door.absent:
            self._forget()

    def _forget(self) -> None:
        self._losses.add(sum(size for _, _, size in self._messages))
        self._messages.clear()


class _Door:
    """The monitor's door on loopback: found, opened with patience, and spoken to over one kept connection."""

    def __init__(self, home: str | os.PathLike[str] | None, token: str | None, url: str | None) -> None:
        self._home, self._token, self._url = home, token, url
        self.trouble: str | None = None
        self._connection: http.client.HTTPConnection | None = None
        self._headers: dict[str, str] = {}
        self._tries = 0
        self._next_s = self._used_s = 0.0

    @property
    def absent(self) -> bool:
        """Nobody has answered for longer than a restart takes."""
        return self._tries >= len(_LOOK_AGAIN_S) - 1

    def open(self) -> bool:
        """Whether the door is open; looks for it again at growing intervals."""
        if self._connection is not None and not self._gone(self._connection):
            return True
        self.close()
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        try:
            port, token = self._find()
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_ANSWER_WITHIN_S)
            connection.connect()
        except (OSError, ValueError) as error:
            self._wait(f"no monitor was found: {error}", now_s)
            return False
        self._headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        self._connection, self._used_s = connection, now_s
        return True

    def _wait(self, why: str, now_s: float) -> None:
        self.trouble = why
        self._next_s = now_s + _LOOK_AGAIN_S[min(self._tries, len(_LOOK_AGAIN_S) - 1)]
        self._tries += 1

    def post(self, path: str, message: Any) -> bool:
        """Whether the message was taken."""
        connection, self._used_s = self._connection, time.monotonic()
        if connection is None:
            return False
        try:
            body = json.dumps(message, separators=(",", ":"), allow_nan=False).encode()
            connection.request("POST", path, body, self._headers)
            answer = connection.getresponse()
            said = answer.read(4096)
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.close()
            self.trouble = f"the monitor did not answer: {type(error).__name__}"
            return False
        if answer.status == 200:
            self.trouble, self._tries = None, 0
            return True
        self.trouble = f"the monitor refused ({answer.status}): {_why(said)}"
        if answer.status not in (400, 409):
            # 401: a new token stands in the file; 403: switched off; 404: an older monitor; 429: too many senders
            self.close()
            self._wait(self.trouble, time.monotonic())
        return False

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _gone(self, connection: http.client.HTTPConnection) -> bool:
        """The other end has closed, or will soon: nothing may be sent into a dying connection."""
        if connection.sock is None or time.monotonic() - self._used_s > _IDLE_CLOSE_S:
            return True
        connection.sock.settimeout(0.0)
        try:
            connection.sock.recv(1)
            return True  # closed, or saying what nobody asked for
        except BlockingIOError:
            connection.sock.settimeout(_ANSWER_WITHIN_S)
            return False
        except OSError:
            return True

    def _find(self) -> tuple[int, str]:
        """(port, token); raises ValueError or OSError that says what is missing."""
        port = _port_of(self._url) if self._url is not None else None
        if self._token is not None and port is not None:
            return port, self._token
        home = Path(self._home).expanduser() if self._home is not None else _home()
        token_file = home / "run" / "token"
        token = self._token or token_file.read_text(encoding="ascii").strip()
        if port is None:
            config = home / "wfmon.toml"
            text = config.read_text(encoding="utf-8") if config.exists() else ""
            found = re.search(r"^\s*port_base\s*=\s*([0-9_]+)", text, re.MULTILINE)
            port = int(found[1]) if found else 9460
            if _foreign(port, home):
                raise ValueError(f"port {port} is held by another user, who may not see the token")
        return port, token


def _why(said: bytes) -> str:
    try:
        error = json.loads(said)["error"]
        return f"{error['what']}: {error['why']}"[:200]
    except (ValueError, KeyError, TypeError):
        return "no reason given"


def _port_of(url: str) -> int:
    parts = urlsplit(url)
    if parts.scheme != "http" or parts.hostname not in ("127.0.0.1", "localhost") or parts.username is not None:
        raise ValueError("url is not http://127.0.0.1:PORT; the probe speaks to this machine alone")
    return parts.port or 80


def _home() -> Path:
    """$WFMON_HOME, else .wfmon of the clone that this file lies in, else the user's data folder."""
    if chosen := os.environ.get("WFMON_HOME"):
        return Path(chosen).expanduser()
    clone = Path(__file__).resolve().parent.parent
    if (clone / "supervisor.conf").is_file():
        return clone / ".wfmon"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "wirthforge-monitor"
    data = os.environ.get("XDG_DATA_HOME", "").strip()
    return (Path(data) if data else Path.home() / ".local" / "share") / "wirthforge-monitor"


def _foreign(port: int, home: Path) -> bool:
    """Whether another user than the home's listens on the port, as far as the system tells (Linux)."""
    try:
        owner = home.stat().st_uid
        for line in Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[1] in (f"0100007F:{port:04X}", f"00000000:{port:04X}"):
                return int(fields[7]) != owner
    except (OSError, ValueError, IndexError):
        pass
    return False


def _close_all() -> None:
    deadline_s = time.monotonic() + _EXIT_WITHIN_S
    for probe in list(_probes):
        probe._sender.stop()
    for probe in list(_probes):
        probe.close(max(0.0, deadline_s - time.monotonic()))


def _after_fork() -> None:
    for probe in list(_probes):
        probe._fresh()


atexit.register(_close_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
