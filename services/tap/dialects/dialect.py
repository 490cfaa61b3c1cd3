"""What every dialect is, and what several of them share."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

import msgspec
from msgspec import Raw, Struct

from services.tap import entropy
from services.tap.entropy import Certainty
from services.tap.facts import UNNAMED, Facts, Number, TokenGroup, positive, whole
from services.tap.framing import Message

ABSENT = Raw(b"")
# Text is looked at for one thing: whether there is any. It is never decoded, and gone with the event.
_NOTHING = frozenset({b"", b'""', b"null", b"[]", b"{}"})
_OPENS = b"[{"
_ERROR_CLASS = re.compile(r"[A-Za-z][A-Za-z0-9_.]{0,39}")


class Dialect(Protocol):
    """Reads the events of one answer; `facts` grow with them."""

    facts: Facts

    def read(self, message: Message, time_s: float) -> Sequence[TokenGroup]:
        """Return the tokens of one event that arrived at `time_s`. Raises msgspec.DecodeError for what is no such."""


def present(raw: Raw) -> bool:
    """Whether a JSON value holds anything."""
    value = bytes(raw)
    if value in _NOTHING:
        return False
    return value[0] not in _OPENS or bool(value[1:-1].strip())


class TopToken(Struct, gc=False):
    """A candidate; its text is compared, never kept."""

    logprob: float | None = None
    token: Raw = ABSENT
    bytes: Raw = ABSENT


class TokenProb(Struct, gc=False):
    """The token that was taken, and the candidates."""

    logprob: float | None = None
    top_logprobs: list[TopToken] | None = None
    token: Raw = ABSENT


def certainty_of(token: TokenProb) -> Certainty | None:
    """Return one token's figures; None without candidates."""
    if not token.top_logprobs:
        return None
    top = [one.logprob for one in token.top_logprobs if one.logprob is not None]
    taken = bytes(token.token)
    return entropy.measure(
        top,
        token.logprob,
        any(bytes(one.token) == taken for one in token.top_logprobs),
        # llama-cpp-python collects candidates by their text, and has no bytes for any.
        told_apart=all(present(one.bytes) for one in token.top_logprobs),
    )


class LegacyProbs(Struct, gc=False):
    """`logprobs` of the older completions: columns."""

    token_logprobs: list[float | None] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None
    content: list[TokenProb] | None = None


_legacy = msgspec.json.Decoder(LegacyProbs)
_tokens = msgspec.json.Decoder(list[TokenProb])


def read_probs(raw: Raw) -> tuple[int, Certainty | None]:
    """Return (tokens, their mean figures) of a `logprobs` object or list; (0, None) where it is none."""
    if not present(raw):
        return 0, None
    try:
        if bytes(raw).startswith(b"["):
            return _of_tokens(_tokens.decode(raw))
        found = _legacy.decode(raw)
    except msgspec.DecodeError:
        return 0, None
    if found.content:
        return _of_tokens(found.content)
    if not found.token_logprobs:
        return 0, None
    tops = found.top_logprobs or []
    parts = (
        entropy.measure(
            [value for value in top.values() if value is not None], sampled, sampled in top.values(), told_apart=False
        )
        for sampled, top in zip(found.token_logprobs, tops, strict=False)
        if top
    )
    return len(found.token_logprobs), entropy.mean(parts)


def _of_tokens(tokens: list[TokenProb]) -> tuple[int, Certainty | None]:
    return len(tokens), entropy.mean(certainty_of(token) for token in tokens)


class Timings(Struct, gc=False):
    """llama.cpp's `timings`; `prompt_n` leaves cached tokens out."""

    prompt_n: Number = None
    prompt_ms: Number = None
    predicted_n: Number = None
    predicted_ms: Number = None
    cache_n: Number = None


def keep_timings(facts: Facts, timings: Timings) -> None:
    """Note what llama.cpp measured itself; its first token costs no decode step."""
    fresh, cached = whole(timings.prompt_n), whole(timings.cache_n)
    if cached is not None:
        facts.cached_tokens = cached
    if fresh is not None and facts.prompt_tokens is None and cached is not None:
        facts.prompt_tokens = fresh + cached
    facts.prefill_ms = positive(timings.prompt_ms)
    facts.count(timings.predicted_n, "timings")
    steps = whole(timings.predicted_n)
    if steps is not None and steps > 1:
        facts.decode_ms, facts.decode_steps = positive(timings.predicted_ms), steps - 1


class Stepper:
    """Tokens of each event from a total that grows."""

    def __init__(self) -> None:
        self._last: int | None = 0

    def step(self, total: Number) -> int:
        """Return how many tokens this event brought; 0 where its total or the one before is not known."""
        now = whole(total)
        last, self._last = self._last, now
        return max(0, now - last) if now is not None and last is not None else 0


class _Error(Struct, gc=False):
    type: str | None = None


_error = msgspec.json.Decoder(_Error)


def error_class(raw: Raw) -> str:
    """Return the class of an error object, never its text; UNNAMED where it names none."""
    try:
        kind = _error.decode(raw).type
    except msgspec.DecodeError:
        kind = None
    return kind if kind and _ERROR_CLASS.fullmatch(kind) else UNNAMED
