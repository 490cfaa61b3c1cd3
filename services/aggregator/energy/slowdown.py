"""Slowdown S = TPOT while others run / TPOT alone, in the same batch and context bin (CONTRACTS §3, RUNTIMES).

A **stretch** is sixteen gaps in a row between tokens of one request, over which its bin stayed the same and other
models were at work all along, or none was for a moment. Its TPOT is its length / 16. Stretches alone are learned as
the baseline of their bin; those beside others are held against it.

Bins. Batch: how many requests of the model ran: 1, 2, 3–4, 5–8 … Context: tokens of prompt and answer so far, below
256, 1 Ki, 4 Ki, 16 Ki, 64 Ki, and above. A prompt's tokens are not counted by most runtimes before its end: a quarter
of the request's bytes stands for them, in baseline and comparison alike. Where not even these are known, the
context is a bin of its own.

A **baseline** is the geometric mean of its stretches, each with a weight that halves in seven days; it is used while
the weights add up to four or more. A habit of long ago is none.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

STRETCH_GAPS = 16
HALF_LIFE_DAYS = 7.0
LEAST_WEIGHT = 4.0
BYTES_A_TOKEN = 4
UNKNOWN = -1
MOST_REQUESTS = 1024
_CONTEXT_BINS = (256, 1024, 4096, 16384, 65536)


class Bin(NamedTuple):
    """What must be the same for two TPOT to be compared."""

    model: str
    batch: int
    """0: one request, 1: two, 2: three or four, n: up to 2**n."""
    context: int
    """0: below 256 tokens … 5: 64 Ki and more; UNKNOWN: not known."""


def bin_of(model: str, running: int, request_bytes: int, output_tokens: int) -> Bin:
    """`request_bytes` 0: not known."""
    context = UNKNOWN
    if request_bytes:
        tokens = request_bytes // BYTES_A_TOKEN + output_tokens
        context = sum(tokens >= limit for limit in _CONTEXT_BINS)
    return Bin(model, max(running - 1, 0).bit_length(), context)


class Baseline(NamedTuple):
    """Sums over stretches as they stand at a time, in days of the wall clock."""

    weight: float
    log_sum: float
    """Of ln TPOT in ms, weighted."""
    at_days: float

    def at(self, days: float) -> "Baseline":
        """The same sums, aged; a clock that went back ages nothing."""
        share = math.exp2(-max(days - self.at_days, 0.0) / HALF_LIFE_DAYS)
        return Baseline(self.weight * share, self.log_sum * share, max(days, self.at_days))


class Baselines:
    """By bin; O(1) a stretch."""

    def __init__(self) -> None:
        self.rows: dict[Bin, Baseline] = {}
        self.changed: set[Bin] = set()
        """Bins that the file does not have yet as they are."""

    def learn(self, bin_: Bin, tpot_ms: float, days: float) -> None:
        """A stretch of a model alone."""
        aged = self.rows.get(bin_, Baseline(0.0, 0.0, days)).at(days)
        self.rows[bin_] = Baseline(aged.weight + 1.0, aged.log_sum + math.log(tpot_ms), aged.at_days)
        self.changed.add(bin_)

    def tpot_ms(self, bin_: Bin, days: float) -> float | None:
        """What the model takes for a token alone; None: not known well enough, or too long ago."""
        row = self.rows.get(bin_)
        if row is None or row.at(days).weight < LEAST_WEIGHT:
            return None
        return math.exp(row.log_sum / row.weight)


class Stretch(NamedTuple):
    """One that is complete."""

    bin: Bin
    alone: bool
    tpot_ms: float


@dataclass(slots=True)
class _Open:
    bin: Bin
    alone: bool
    first_s: float
    gaps: int = 0


@dataclass(slots=True)
class _Request:
    bytes: int
    tokens: int = 0
    open: _Open | None = None


class Stretches:
    """Of one model: its requests under way, and the stretch that each of them is in. O(1) a token."""

    def __init__(self, model: str) -> None:
        self._model = model
        self._requests: dict[str, _Request] = {}

    def sent(self, request: str, request_bytes: int) -> None:
        """A prompt of so many bytes went out; 0: not known."""
        self._requests[request] = _Request(request_bytes)
        if len(self._requests) > MOST_REQUESTS:  # ends that were never told
            del self._requests[next(iter(self._requests))]

    def ended(self, request: str) -> None:
        self._requests.pop(request, None)

    def token(self, request: str, now_s: float, running: int, others_until_s: float) -> Stretch | None:
        """A token; the stretch that it completes.

        `running`: requests of this model under way. `others_until_s`: when another model was last at work; `now_s`
        where one is.
        """
        if request not in self._requests:
            self.sent(request, 0)
        state = self._requests[request]
        state.tokens += 1
        bin_ = bin_of(self._model, running, state.bytes, state.tokens)
        alone = others_until_s < now_s
        open_ = state.open
        broken = open_ is None or open_.bin != bin_ or open_.alone != alone
        if open_ is None or broken or (alone and others_until_s > open_.first_s):
            state.open = _Open(bin_, alone, now_s)
            return None
        open_.gaps += 1
        if open_.gaps < STRETCH_GAPS:
            return None
        state.open = _Open(bin_, alone, now_s)
        tpot_ms = 1000.0 * (now_s - open_.first_s) / STRETCH_GAPS
        return Stretch(bin_, alone, tpot_ms) if tpot_ms > 0.0 else None
