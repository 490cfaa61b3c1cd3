"""/v1/chat/completions and /v1/completions, as llama.cpp, vLLM, SGLang, TGI, LM Studio and Ollama answer them.

Beside the standard: `timings` (llama.cpp), `metrics` (vLLM), `stats` (LM Studio), and the two names of thinking.
"""

from __future__ import annotations

import msgspec
from msgspec import Raw, Struct

from services.tap.dialects.dialect import (
    ABSENT,
    Stepper,
    Timings,
    error_class,
    keep_timings,
    present,
    read_probs,
)
from services.tap.facts import Facts, Kind, Number, TokenGroup, positive, whole
from services.tap.framing import Message


class _Delta(Struct, gc=False):
    content: Raw = ABSENT
    reasoning_content: Raw = ABSENT
    reasoning: Raw = ABSENT
    tool_calls: Raw = ABSENT
    function_call: Raw = ABSENT
    refusal: Raw = ABSENT


class _Choice(Struct, gc=False):
    index: int = 0
    delta: _Delta | None = None
    text: Raw = ABSENT
    finish_reason: str | None = None
    logprobs: Raw = ABSENT


class _PromptDetails(Struct, gc=False):
    cached_tokens: Number = None


class _OutputDetails(Struct, gc=False):
    reasoning_tokens: Number = None


class _Usage(Struct, gc=False):
    prompt_tokens: Number = None
    completion_tokens: Number = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _OutputDetails | None = None
    reasoning_tokens: Number = None


class _Metrics(Struct, gc=False):
    queue_time_ms: Number = None


class _Stats(Struct, gc=False):
    """LM Studio's own API, in s."""

    tokens_per_second: Number = None
    time_to_first_token: Number = None


class _Chunk(Struct, gc=False):
    object: Raw = ABSENT
    model: str | None = None
    choices: list[_Choice] | None = None
    usage: _Usage | None = None
    timings: Timings | None = None
    metrics: _Metrics | None = None
    stats: Raw = ABSENT
    error: Raw = ABSENT


_decoder = msgspec.json.Decoder(_Chunk)
_stats = msgspec.json.Decoder(_Stats)
_S_MS = 1e3


class OpenAi:
    """One answer; streamed or whole."""

    def __init__(self) -> None:
        self.facts = Facts()
        self._stepper = Stepper()

    def read(self, message: Message, time_s: float) -> list[TokenGroup]:
        """Return a group for each choice that brought anything; role-only and empty deltas bring nothing."""
        if message.data == b"[DONE]":
            self.facts.ended = True
            return []
        chunk = _decoder.decode(message.data)
        facts = self.facts
        facts.name(chunk.model)
        groups: list[TokenGroup] = []
        for choice in chunk.choices or ():
            facts.finish(choice.finish_reason)
            kind = _kind(choice)
            if kind is None:
                continue
            tokens, certainty = read_probs(choice.logprobs)
            groups.append(TokenGroup(time_s, tokens, kind, choice.index, certainty))
        total = chunk.usage.completion_tokens if chunk.usage else chunk.timings.predicted_n if chunk.timings else None
        if groups:
            if total is None and facts.output_tokens is not None:
                facts.outgrown()  # some tell a count of 0 with the role, and no other
            step = self._stepper.step(total)
            if len(groups) == 1 and not groups[0].tokens and step:
                groups[0] = groups[0]._replace(tokens=step)
        if chunk.usage is not None:
            self._keep_usage(chunk.usage)
        if chunk.timings is not None:
            keep_timings(facts, chunk.timings)
        if chunk.metrics is not None:
            facts.queue_ms = positive(chunk.metrics.queue_time_ms)
        if present(chunk.stats):
            self._keep_stats(chunk.stats)
        if present(chunk.error):
            facts.fail(error_class(chunk.error))
        elif chunk.choices is None and (message.name == b"error" or bytes(chunk.object) == b'"error"'):
            facts.fail(error_class(Raw(message.data)))  # older vLLM, older llama.cpp: the event is the error
        return groups

    def _keep_usage(self, usage: _Usage) -> None:
        facts = self.facts
        facts.prompt_tokens = whole(usage.prompt_tokens)
        facts.count(usage.completion_tokens, "usage")
        if usage.prompt_tokens_details is not None:
            facts.cached_tokens = whole(usage.prompt_tokens_details.cached_tokens)
        thinking = usage.reasoning_tokens
        if usage.completion_tokens_details is not None:
            thinking = usage.completion_tokens_details.reasoning_tokens
        if thinking is not None:
            facts.reasoning_tokens = whole(thinking)

    def _keep_stats(self, raw: Raw) -> None:
        """Its generation_time begins with the first token: tokens_per_second is the pace of those that it counted."""
        try:
            stats = _stats.decode(raw)
        except msgspec.DecodeError:  # another's, who means something else by it
            return
        self.facts.prefill_ms = positive(stats.time_to_first_token, _S_MS)
        self.facts.pace(stats.tokens_per_second)


def _kind(choice: _Choice) -> Kind | None:
    delta = choice.delta
    if delta is None:
        return Kind.ANSWER if present(choice.text) else None
    if present(delta.content) or present(delta.tool_calls) or present(delta.refusal) or present(delta.function_call):
        return Kind.ANSWER
    if present(delta.reasoning_content) or present(delta.reasoning):
        return Kind.THINKING
    return None
