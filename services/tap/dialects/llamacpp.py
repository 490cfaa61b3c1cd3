"""llama-server's own /completion and /infill; and its /completions, which answers in OpenAI's shape.

Counts from `tokens_predicted`, which grows with each event, and from `timings` in the last one.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from services.tap.dialects.dialect import ABSENT, Stepper, Timings, error_class, keep_timings, present, read_probs
from services.tap.dialects.openai import OpenAi
from services.tap.facts import Facts, Kind, Number, TokenGroup, whole
from services.tap.framing import Message


class _Chunk(Struct, gc=False):
    model: str | None = None
    content: Raw = ABSENT
    choices: Raw = ABSENT
    stop: bool = False
    stop_type: str | None = None
    tokens_predicted: Number = None
    tokens_evaluated: Number = None
    completion_probabilities: Raw = ABSENT
    timings: Timings | None = None
    error: Raw = ABSENT


_decoder = msgspec.json.Decoder(_Chunk)


class LlamaCpp:
    """One answer; streamed or whole."""

    def __init__(self) -> None:
        self.facts = Facts()
        self._stepper = Stepper()
        self._openai: OpenAi | None = None

    def read(self, message: Message, time_s: float) -> list[TokenGroup]:
        """Return the tokens of one event."""
        if self._openai is not None:
            return self._openai.read(message, time_s)
        if message.data == b"[DONE]":
            self.facts.ended = True
            return []
        chunk = _decoder.decode(message.data)
        if present(chunk.choices):
            self._openai = OpenAi()
            self._openai.facts = self.facts
            return self._openai.read(message, time_s)
        facts = self.facts
        facts.name(chunk.model)
        if present(chunk.error):
            facts.fail(error_class(chunk.error))
        if chunk.stop:
            self._keep(chunk)
        if not present(chunk.content):
            return []
        tokens, certainty = read_probs(chunk.completion_probabilities)
        step = self._stepper.step(chunk.tokens_predicted)
        return [TokenGroup(time_s, tokens or step, Kind.ANSWER, 0, certainty)]

    def _keep(self, chunk: _Chunk) -> None:
        facts = self.facts
        facts.ended = True
        facts.finish(chunk.stop_type)
        facts.prompt_tokens = whole(chunk.tokens_evaluated)  # cached ones included
        facts.count(chunk.tokens_predicted, "usage")
        if chunk.timings is not None:
            keep_timings(facts, chunk.timings)
