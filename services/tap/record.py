"""What one request was like: a RequestRecord from arrival times and facts (CONTRACTS §6, RUNTIMES "Definitions").

Pure: times come in as arguments. Not measured stays unset.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from enum import Enum
from typing import NamedTuple

from wfmonitor.v1.request_pb2 import RequestRecord

from services.tap.facts import UNNAMED, Facts, Kind, TokenGroup

# A gap beyond this is a stall (CONTRACTS §2).
STALL_MS = 400.0
# A stream without end may not fill the memory: gaps beyond these replace the oldest, stalls are only counted.
_MOST_GAPS = 65_536
_MOST_STALLS = 200


class Outcome(Enum):
    """How the exchange ended, as the tap saw it."""

    COMPLETE = "complete"
    CLIENT_ABORT = "client abort"
    TRUNCATED = "truncated"
    NO_ANSWER = "no answer"


class Start(NamedTuple):
    """What is known when a prompt is sent."""

    id: str
    route: str
    model: str
    runtime: str
    time_s: float
    time_us: int
    boot_us: int
    concurrent: int


class RecordBuilder:
    """Grows with the tokens of one request; `finish` gives its record, `so_far` what is known before."""

    def __init__(self, start: Start) -> None:
        self.start = start
        self.tokens = 0
        self.groups = 0
        self._first_s = math.nan
        self._answer_s = math.nan
        self._last_s = math.nan
        self._choice = 0
        self._several = False
        self._gaps_ms = array("d")
        self._gaps = 0
        self._longest_ms = 0.0
        self._stalls: list[tuple[float, float]] = []
        self._stall_count = 0
        self._all_counted = True
        self._thinking = 0
        self._bits_sum = 0.0
        self._bits_count = 0

    def add(self, groups: Iterable[TokenGroup]) -> None:
        """Note tokens that arrived."""
        for group in groups:
            self.groups += 1
            self.tokens += group.tokens or 1
            self._all_counted = self._all_counted and group.tokens > 0
            if group.kind is Kind.THINKING:
                self._thinking += group.tokens
            elif math.isnan(self._answer_s):
                self._answer_s = group.time_s
            if group.certainty is not None and not math.isnan(group.certainty.bits):
                self._bits_sum += group.certainty.bits * (group.tokens or 1)
                self._bits_count += group.tokens or 1
            if self.groups == 1:
                self._first_s, self._choice = group.time_s, group.choice
            elif group.choice != self._choice:
                self._several = True
            else:
                self._gap((group.time_s - self._last_s) * 1e3)
            self._last_s = group.time_s

    def _gap(self, gap_ms: float) -> None:
        if self._gaps < _MOST_GAPS:
            self._gaps_ms.append(gap_ms)
        else:
            self._gaps_ms[self._gaps % _MOST_GAPS] = gap_ms
        self._gaps += 1
        self._longest_ms = max(self._longest_ms, gap_ms)
        if gap_ms > STALL_MS:
            self._stall_count += 1
            if len(self._stalls) < _MOST_STALLS:
                self._stalls.append(((self._last_s - self.start.time_s) * 1e3, gap_ms))

    def so_far(self) -> RequestRecord:
        """Return the record of a request that is under way: without e2e_ms and finish_reason."""
        start = self.start
        record = RequestRecord(
            id=start.id,
            model=start.model,
            runtime=start.runtime,
            route=start.route,
            start_us=start.time_us,
            start_boot_us=start.boot_us,
            concurrent=start.concurrent,
            stalls=self._stall_count,
            producer="tap",
        )
        if self.groups:
            record.streamed = True
            record.ttft_ms = (self._first_s - start.time_s) * 1e3
            record.output_tokens, record.token_source = self.tokens, "chunks"
        if not math.isnan(self._answer_s):
            record.ttfa_ms = (self._answer_s - start.time_s) * 1e3
        for at_ms, length_ms in self._stalls:
            record.stall.add(at_ms=at_ms, length_ms=length_ms)
        return record

    def finish(self, end_s: float, status: int, facts: Facts, outcome: Outcome, *, streamed: bool) -> RequestRecord:
        """Return the record; `status` 0: the runtime never answered."""
        record = self.so_far()
        record.streamed = streamed
        record.status = status
        record.model = self.start.model or facts.model
        record.e2e_ms = (end_s - self.start.time_s) * 1e3
        self._set_end(record, facts, outcome, status)
        self._set_counts(record, facts)
        self._set_pace(record, facts, streamed=streamed)
        for name in ("queue_ms", "load_ms", "prefill_ms"):
            value = getattr(facts, name)
            if value is not None:
                setattr(record, name, value)
        if self._bits_count:
            record.entropy_mean_bits = self._bits_sum / self._bits_count
        return record

    @staticmethod
    def _set_end(record: RequestRecord, facts: Facts, outcome: Outcome, status: int) -> None:
        record.finish_reason, record.error = facts.finish_reason, facts.error
        if status >= 400 and record.error in ("", UNNAMED):
            record.finish_reason, record.error = "error", f"http_{status}"
        if outcome is Outcome.COMPLETE or (outcome is Outcome.CLIENT_ABORT and facts.ended):
            return
        if outcome is Outcome.CLIENT_ABORT:
            record.finish_reason = "abort"
        else:
            record.finish_reason = "error"
            record.error = record.error or ("truncated" if outcome is Outcome.TRUNCATED else "no_answer")

    def _set_counts(self, record: RequestRecord, facts: Facts) -> None:
        if facts.prompt_tokens is not None:
            record.prompt_tokens = facts.prompt_tokens
        if facts.cached_tokens is not None:
            record.cached_tokens = facts.cached_tokens
        if facts.reasoning_tokens is not None:
            record.reasoning_tokens = facts.reasoning_tokens
        elif self.groups and self._all_counted:
            record.reasoning_tokens = self._thinking
        if facts.output_tokens is not None:
            record.output_tokens, record.token_source = facts.output_tokens, facts.token_source

    def _set_pace(self, record: RequestRecord, facts: Facts, *, streamed: bool) -> None:
        # Several answers at once share one stream; their gaps and counts cannot be told apart.
        if self._several:
            return
        if self._gaps:
            gaps = sorted(self._gaps_ms)
            record.itl_p50_ms, record.itl_p95_ms = nearest_rank(gaps, 50), nearest_rank(gaps, 95)
            record.itl_max_ms = self._longest_ms
        steps = record.output_tokens - 1
        if streamed and steps > 0 and self._last_s > self._first_s:
            # From the first token to the last: what a runtime sends after its last token is no token.
            record.tpot_ms = (self._last_s - self._first_s) * 1e3 / steps
        elif facts.decode_ms is not None and facts.decode_steps:
            # Not streamed, or read in one piece by a machine that had no time: arrival says nothing of its pace.
            record.tpot_ms = facts.decode_ms / facts.decode_steps


def nearest_rank(ordered: Sequence[float], percent: int) -> float:
    """Return the smallest value with at least `percent` % of all at or below it; `ordered` ascends."""
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]
