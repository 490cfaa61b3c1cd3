"""/api/v1/chat, LM Studio's own: named events, each with its `type`; the last one carries the whole answer's `stats`.

It alone tells how long a load took that a request waited for: when it is done, and once more at the end. Why an answer
ended it does not tell. A tool is called by LM Studio itself: its time lies between two arrivals.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from services.tap.dialects.dialect import ABSENT, error_class, present
from services.tap.facts import Facts, Kind, Number, TokenGroup, positive, whole
from services.tap.framing import Message

_ARRIVALS = {
    "reasoning.delta": Kind.THINKING,
    "message.delta": Kind.ANSWER,
    "tool_call.arguments": Kind.ANSWER,
}
_S_MS = 1e3


class _Stats(Struct, gc=False):
    input_tokens: Number = None
    total_output_tokens: Number = None
    reasoning_output_tokens: Number = None
    tokens_per_second: Number = None
    time_to_first_token_seconds: Number = None
    model_load_time_seconds: Number = None
    """None: the model was in memory."""


class _Answer(Struct, gc=False):
    model_instance_id: str | None = None
    stats: _Stats | None = None


class _Event(_Answer, gc=False):
    type: str | None = None
    content: Raw = ABSENT
    arguments: Raw = ABSENT
    load_time_seconds: Number = None
    result: _Answer | None = None
    error: Raw = ABSENT


_decoder = msgspec.json.Decoder(_Event)


class LmStudio:
    """One answer; streamed or whole."""

    def __init__(self) -> None:
        self.facts = Facts()

    def read(self, message: Message, time_s: float) -> list[TokenGroup]:
        """Return the tokens of one delta event."""
        event = _decoder.decode(message.data)
        facts = self.facts
        facts.name(event.model_instance_id)
        if event.type == "model_load.end":
            facts.load_ms = positive(event.load_time_seconds, _S_MS)
        elif event.type == "chat.end":
            facts.ended = True
        if present(event.error):
            facts.fail(error_class(event.error))
        answer = event.result if event.result is not None else event
        if answer.stats is not None:
            self._keep(answer.stats)
        kind = _ARRIVALS.get(event.type or "")
        if kind is None or not (present(event.content) or present(event.arguments)):
            return []
        return [TokenGroup(time_s, 0, kind)]

    def _keep(self, stats: _Stats) -> None:
        facts = self.facts
        facts.prompt_tokens = whole(stats.input_tokens)
        facts.count(stats.total_output_tokens, "usage")
        facts.reasoning_tokens = whole(stats.reasoning_output_tokens)
        facts.prefill_ms = positive(stats.time_to_first_token_seconds, _S_MS)
        if stats.model_load_time_seconds is not None:
            facts.load_ms = positive(stats.model_load_time_seconds, _S_MS)
        facts.pace(stats.tokens_per_second)
