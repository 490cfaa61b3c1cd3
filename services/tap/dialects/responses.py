"""/v1/responses: named events, each with its `type`; the last one carries the response with its usage."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from services.tap.dialects.dialect import ABSENT, error_class, present, read_probs
from services.tap.facts import Facts, Kind, Number, TokenGroup, whole
from services.tap.framing import Message

_DELTAS = {
    "response.output_text.delta": Kind.ANSWER,
    "response.refusal.delta": Kind.ANSWER,
    "response.function_call_arguments.delta": Kind.ANSWER,
    "response.reasoning_text.delta": Kind.THINKING,
    "response.reasoning.delta": Kind.THINKING,
    "response.reasoning_summary_text.delta": Kind.THINKING,
}


class _Cached(Struct, gc=False):
    cached_tokens: Number = None


class _Reasoning(Struct, gc=False):
    reasoning_tokens: Number = None


class _Usage(Struct, gc=False):
    input_tokens: Number = None
    output_tokens: Number = None
    input_tokens_details: _Cached | None = None
    output_tokens_details: _Reasoning | None = None


class _Incomplete(Struct, gc=False):
    reason: str | None = None


class _Response(Struct, gc=False):
    model: str | None = None
    status: str | None = None
    usage: _Usage | None = None
    incomplete_details: _Incomplete | None = None
    error: Raw = ABSENT


class _Event(_Response, gc=False):
    type: str | None = None
    delta: Raw = ABSENT
    logprobs: Raw = ABSENT
    response: _Response | None = None


_decoder = msgspec.json.Decoder(_Event)


class Responses:
    """One response; streamed or whole."""

    def __init__(self) -> None:
        self.facts = Facts()

    def read(self, message: Message, time_s: float) -> list[TokenGroup]:
        """Return the tokens of one delta event."""
        if message.data == b"[DONE]":
            self.facts.ended = True
            return []
        event = _decoder.decode(message.data)
        response = event.response if event.response is not None else event
        self._keep(response)
        if event.type in ("response.completed", "response.failed", "response.incomplete"):
            self.facts.ended = True
        if event.type == "error":
            self.facts.fail(error_class(event.error))
        kind = _DELTAS.get(event.type or "")
        if kind is None or not present(event.delta):
            return []
        tokens, certainty = read_probs(event.logprobs)
        return [TokenGroup(time_s, tokens, kind, 0, certainty)]

    def _keep(self, response: _Response) -> None:
        facts = self.facts
        facts.name(response.model)
        if response.status == "completed":
            facts.finish("stop")
        elif response.status == "cancelled":
            facts.finish("abort")
        elif response.status == "failed":
            facts.fail(error_class(response.error))
        elif response.status == "incomplete" and response.incomplete_details is not None:
            facts.finish(response.incomplete_details.reason)
        usage = response.usage
        if usage is None:
            return
        facts.prompt_tokens = whole(usage.input_tokens)
        facts.count(usage.output_tokens, "usage")
        if usage.input_tokens_details is not None:
            facts.cached_tokens = whole(usage.input_tokens_details.cached_tokens)
        if usage.output_tokens_details is not None:
            facts.reasoning_tokens = whole(usage.output_tokens_details.reasoning_tokens)
