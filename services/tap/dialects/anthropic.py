"""/v1/messages, as llama.cpp, vLLM, Ollama and LM Studio offer it: named events with their `type`."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from services.tap.dialects.dialect import ABSENT, Timings, error_class, keep_timings, present
from services.tap.facts import Facts, Kind, Number, TokenGroup, whole
from services.tap.framing import Message


class _Usage(Struct, gc=False):
    input_tokens: Number = None
    output_tokens: Number = None
    cache_read_input_tokens: Number = None
    cache_creation_input_tokens: Number = None


class _Reply(Struct, gc=False):
    model: str | None = None
    usage: _Usage | None = None
    stop_reason: str | None = None


class _Delta(Struct, gc=False):
    text: Raw = ABSENT
    thinking: Raw = ABSENT
    partial_json: Raw = ABSENT
    stop_reason: str | None = None


class _Event(_Reply, gc=False):
    type: str | None = None
    message: Raw = ABSENT
    delta: _Delta | None = None
    timings: Timings | None = None
    error: Raw = ABSENT


_decoder = msgspec.json.Decoder(_Event)
_reply = msgspec.json.Decoder(_Reply)


class Anthropic:
    """One message; streamed or whole."""

    def __init__(self) -> None:
        self.facts = Facts()

    def read(self, message: Message, time_s: float) -> list[TokenGroup]:
        """Return the tokens of one content_block_delta; a signature is none."""
        event = _decoder.decode(message.data)
        facts = self.facts
        if event.timings is not None:
            keep_timings(facts, event.timings)
        match event.type:
            case "content_block_delta":
                return self._delta(event.delta, time_s)
            case "message_start":
                self._keep(_reply.decode(event.message), final=False)
            case "message_delta" | "message":
                self._keep(event, final=True)
                if event.delta is not None:
                    facts.finish(event.delta.stop_reason)
            case "message_stop":
                facts.ended = True
            case "error":
                facts.fail(error_class(event.error))
        return []

    @staticmethod
    def _delta(delta: _Delta | None, time_s: float) -> list[TokenGroup]:
        if delta is None:
            return []
        if present(delta.text) or present(delta.partial_json):
            return [TokenGroup(time_s, 0, Kind.ANSWER)]
        if present(delta.thinking):
            return [TokenGroup(time_s, 0, Kind.THINKING)]
        return []

    def _keep(self, reply: _Reply, *, final: bool) -> None:
        facts = self.facts
        facts.name(reply.model)
        facts.finish(reply.stop_reason)
        usage = reply.usage
        if usage is None:
            return
        # Cached tokens are not in input_tokens.
        fresh, cached = whole(usage.input_tokens), whole(usage.cache_read_input_tokens)
        if fresh is not None and (fresh or facts.prompt_tokens is None):
            facts.prompt_tokens = fresh + (cached or 0) + (whole(usage.cache_creation_input_tokens) or 0)
        if cached is not None:
            facts.cached_tokens = cached
        if final:  # in message_start the count is that of the first event at best
            facts.count(usage.output_tokens, "usage")
