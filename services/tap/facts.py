"""What can be learned from a runtime's answer: arrival of tokens, counts, timings. Never text."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, NamedTuple

from services.tap.entropy import Certainty

# A runtime's own name may be long; a hostile one may not fill a topic.
_LONGEST_NAME = 256
# Beyond this a count is rubbish (and would not fit the record's columns).
_LARGEST_COUNT = 2**53

# An error of a runtime that has no class, as Ollama's, which are sentences.
UNNAMED = "runtime"

Number = int | float | None


class Kind(IntEnum):
    """What a token belongs to; the numbers are those of wfmonitor.v1.TokenKind."""

    ANSWER = 1
    THINKING = 2


class TokenGroup(NamedTuple):
    """The tokens that came in one event of a stream."""

    time_s: float
    """Monotonic arrival time."""
    tokens: int
    """How many; 0: the runtime does not say, at least one."""
    kind: Kind
    choice: int = 0
    """Which of several answers to one prompt (`n` > 1)."""
    certainty: Certainty | None = None


@dataclass(slots=True)
class Facts:
    """What the runtime said about one request; None where it did not say."""

    model: str = ""
    finish_reason: str = ""
    error: str = ""
    prompt_tokens: int | None = None
    """All tokens of the prompt, cached ones included."""
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    output_tokens: int | None = None
    """All tokens of the output, thinking included."""
    token_source: str = ""
    """Where the output count is from: usage or timings."""
    queue_ms: float | None = None
    load_ms: float | None = None
    prefill_ms: float | None = None
    decode_ms: float | None = None
    """The runtime's own time for the output, without the first token where `decode_steps` says so."""
    decode_steps: int | None = None
    """Steps that `decode_ms` covers."""
    ended: bool = False
    """The stream said itself that it is complete."""

    def outgrown(self) -> None:
        """Forget a total of output tokens: more came after it, so that it was none."""
        self.output_tokens, self.token_source = None, ""

    def pace(self, tokens_per_second: Number) -> None:
        """Note a runtime's own speed, where that is all it tells of its times: what a step took."""
        if speed := positive(tokens_per_second):
            self.decode_ms, self.decode_steps = positive(1e3 / speed), 1

    @property
    def counted_by_usage(self) -> bool:
        """Whether the runtime's usage gave the output count."""
        return self.token_source == "usage"  # noqa: S105 - no secret

    def name(self, model: str | None) -> None:
        """Keep the first name the runtime gives."""
        if model and not self.model:
            self.model = model[:_LONGEST_NAME]

    def finish(self, reason: str | None) -> None:
        """Keep why the output ended, as one of stop, length, tool, abort, error."""
        if reason:
            self.finish_reason = _FINISHES.get(reason, self.finish_reason or "stop")
            if reason == "content_filter":
                self.fail("content_filter")

    def fail(self, kind: str) -> None:
        """Note an error by its class."""
        self.error = self.error or kind
        self.finish_reason = "error"

    def count(self, output: Number, source: Literal["usage", "timings"]) -> None:
        """Keep a total of output tokens; what `usage` says wins over timings."""
        total = whole(output)
        if total is not None and not (source == "timings" and self.counted_by_usage):
            self.output_tokens, self.token_source = total, source


_FINISHES = {
    "stop": "stop",
    "eos": "stop",
    "word": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "length": "length",
    "limit": "length",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_calls": "tool",
    "tool_use": "tool",
    "function_call": "tool",
    "abort": "abort",
    "cancelled": "abort",
    "error": "error",
    "content_filter": "error",
    "refusal": "stop",
}


def whole(value: Number) -> int | None:
    """Return a count, or None for what cannot be one."""
    if value is None or not 0 <= value < _LARGEST_COUNT:
        return None
    return int(value)


def positive(value: Number, unit_ms: float = 1.0) -> float | None:
    """Return a duration in ms of `value` units, or None for what cannot be one."""
    if value is None or not 0 <= value < _LARGEST_COUNT:
        return None
    return value * unit_ms
