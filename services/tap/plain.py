"""What a runtime's streamed answer looks like when it is asked for nothing beside: learned from one. Pure.

Runtimes differ where they have nothing to say: one prints `"logprobs": null`, another leaves it out; llama.cpp puts its
timings into the last chunk, whichever that is. Only who has seen a plain answer can restore one to the byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

import msgspec
from msgspec import Raw, Struct

from bus.unreadable import UNREADABLE
from services.tap.dialects.dialect import ABSENT, present
from services.tap.framing import Framing


class Form(Enum):
    """How chunks are built."""

    OPENAI = "choices"
    OLLAMA = "one answer"


class Part(Enum):
    """What of an answer a chunk is."""

    TOKEN = "token"  # noqa: S105 - no secret
    FINISH = "finish"
    OTHER = "other"


class Chunk(NamedTuple):
    """One event, as far as asking for more can change it; values are JSON texts, ABSENT: no such member."""

    part: Part
    choices: int
    usage: Raw
    timings: Raw
    logprobs: Sequence[Raw]
    """One each choice; of Ollama one in all."""
    echoes: bool
    """It repeats the request's own settings, so that what was asked would show."""


class _Said(Struct, gc=False):
    content: Raw = ABSENT
    thinking: Raw = ABSENT
    reasoning_content: Raw = ABSENT
    reasoning: Raw = ABSENT
    tool_calls: Raw = ABSENT


class _Choice(Struct, gc=False):
    delta: _Said | None = None
    text: Raw = ABSENT
    finish_reason: Raw = ABSENT
    logprobs: Raw = ABSENT


class _OpenAi(Struct, gc=False):
    choices: list[_Choice] | None = None
    usage: Raw = ABSENT
    timings: Raw = ABSENT
    verbose: Raw = msgspec.field(default=ABSENT, name="__verbose")


class _Ollama(Struct, gc=False):
    message: _Said | None = None
    response: Raw = ABSENT
    thinking: Raw = ABSENT
    done: bool = False
    logprobs: Raw = ABSENT


_openai = msgspec.json.Decoder(_OpenAi)
_ollama = msgspec.json.Decoder(_Ollama)


def read_chunk(form: Form, text: bytes) -> Chunk:
    """Return what of a chunk matters here. Raises msgspec.DecodeError for what is none."""
    if form is Form.OLLAMA:
        line = _ollama.decode(text)
        says = _says(line.message) or present(line.response) or present(line.thinking)
        part = Part.FINISH if line.done else Part.TOKEN if says else Part.OTHER
        return Chunk(part, 1, ABSENT, ABSENT, (line.logprobs,), echoes=False)
    event = _openai.decode(text)
    choices = event.choices or []
    if any(present(one.finish_reason) for one in choices):
        part = Part.FINISH
    else:
        part = Part.TOKEN if any(_says(one.delta) or present(one.text) for one in choices) else Part.OTHER
    logprobs = [one.logprobs for one in choices]
    return Chunk(part, len(choices), event.usage, event.timings, logprobs, echoes=bool(bytes(event.verbose)))


def _says(said: _Said | None) -> bool:
    return said is not None and any(
        present(one) for one in (said.content, said.thinking, said.reasoning_content, said.reasoning, said.tool_calls)
    )


@dataclass(slots=True)
class Shape:
    """The members that a plain answer's chunks have, by their part."""

    usage: set[Part] = field(default_factory=set)
    timings: set[Part] = field(default_factory=set)
    logprobs: set[Part] = field(default_factory=set)
    seen: set[Part] = field(default_factory=set)
    counts: bool = False
    """Its usage comes without being asked for."""
    echoes: bool = False

    def take(self, chunk: Chunk) -> None:
        """Learn from one chunk."""
        self.echoes = self.echoes or chunk.echoes
        self.counts = self.counts or present(chunk.usage)
        if not chunk.choices:
            return
        self.seen.add(chunk.part)
        for member, parts in ((chunk.usage, self.usage), (chunk.timings, self.timings)):
            if bytes(member):
                parts.add(chunk.part)
        if any(bytes(one) for one in chunk.logprobs):
            self.logprobs.add(chunk.part)

    def has_logprobs(self, part: Part) -> bool:
        """Whether a chunk of this part has the member; one that was not met is taken to be as a token's."""
        return (part if part in self.seen else Part.TOKEN) in self.logprobs

    def has_usage(self, part: Part) -> bool:
        """The same for usage."""
        return (part if part in self.seen else Part.TOKEN) in self.usage


class Learner:
    """Reads a plain answer aside; `shape` when it is over, None where it was none to learn from."""

    def __init__(self, form: Form, framing: Framing) -> None:
        self._form = form
        self._framing = framing
        self._shape = Shape()
        self._fit = framing.streamed

    def feed(self, data: bytes) -> None:
        """Read bytes of the answer."""
        if not self._fit:
            return
        for message in self._framing.feed(data):
            if message.data == b"[DONE]":
                continue
            try:
                self._shape.take(read_chunk(self._form, message.data))
            except UNREADABLE:
                self._fit = False

    def shape(self) -> Shape | None:
        """Return what was learned, from an answer that had a token and an end."""
        return self._shape if self._fit and {Part.TOKEN, Part.FINISH} <= self._shape.seen else None
