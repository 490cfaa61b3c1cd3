"""/api/chat and /api/generate: one JSON object a line, the last with durations in ns, any of which may be missing."""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from services.tap.dialects.dialect import ABSENT, error_class, present, read_probs
from services.tap.facts import Facts, Kind, Number, TokenGroup, positive, whole
from services.tap.framing import Message

_NS_MS = 1e-6


class _Said(Struct, gc=False):
    content: Raw = ABSENT
    thinking: Raw = ABSENT
    tool_calls: Raw = ABSENT


class _Chunk(Struct, gc=False):
    model: str | None = None
    message: _Said | None = None
    response: Raw = ABSENT
    thinking: Raw = ABSENT
    logprobs: Raw = ABSENT
    done: bool = False
    done_reason: str | None = None
    load_duration: Number = None
    prompt_eval_count: Number = None
    prompt_eval_duration: Number = None
    eval_count: Number = None
    eval_duration: Number = None
    error: Raw = ABSENT


_decoder = msgspec.json.Decoder(_Chunk)


class Ollama:
    """One answer; streamed, or whole with `"stream": false`."""

    def __init__(self) -> None:
        self.facts = Facts()

    def read(self, message: Message, time_s: float) -> list[TokenGroup]:
        """Return the tokens of one line."""
        chunk = _decoder.decode(message.data)
        self.facts.name(chunk.model)
        if present(chunk.error):
            self.facts.fail(error_class(chunk.error))
        if chunk.done:
            self._keep(chunk)
        kind = _kind(chunk)
        if kind is None:
            return []
        tokens, certainty = read_probs(chunk.logprobs)
        return [TokenGroup(time_s, tokens, kind, 0, certainty)]

    def _keep(self, chunk: _Chunk) -> None:
        facts = self.facts
        facts.ended = True
        if chunk.done_reason != "load":  # an empty prompt only loads the model
            facts.finish(chunk.done_reason)
        facts.prompt_tokens = whole(chunk.prompt_eval_count)
        facts.count(chunk.eval_count, "usage")
        facts.load_ms = positive(chunk.load_duration, _NS_MS)
        facts.prefill_ms = positive(chunk.prompt_eval_duration, _NS_MS)
        steps = whole(chunk.eval_count)
        if steps:
            facts.decode_ms, facts.decode_steps = positive(chunk.eval_duration, _NS_MS), steps


def _kind(chunk: _Chunk) -> Kind | None:
    said = chunk.message
    if said is not None:
        if present(said.content) or present(said.tool_calls):
            return Kind.ANSWER
        return Kind.THINKING if present(said.thinking) else None
    if present(chunk.response):
        return Kind.ANSWER
    return Kind.THINKING if present(chunk.thinking) else None
