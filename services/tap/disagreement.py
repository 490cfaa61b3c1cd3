"""How far two models that answer the same prompt disagree: DI, the Jensen–Shannon divergence, base 2, of their top-10.

Computed here, where the tokens are, position by position; only the number leaves (CONTRACTS §2). A keyed hash of the
prompt, in memory for as long as its answers run, decides whether two requests ask the same; candidates are held as
Python's own keyed hashes of their text, and forgotten with the last of the answers. Pure.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Mapping
from hashlib import blake2b

import msgspec
from msgspec import Raw, Struct

from bus.unreadable import UNREADABLE
from services.tap.dialects.dialect import ABSENT, present

MOST_CANDIDATES = 10
# An answer that nobody else gives is looked into so far: whoever is asked the same meanwhile can still be compared.
MOST_ALONE = 256
# Positions held in all; 1.3 kB each. Beyond them answers are measured without.
MOST_POSITIONS = 16_384
# A longer request is not compared: its hash would take milliseconds of the traffic's time.
LONGEST_REQUEST = 1 << 20

Top = Mapping[int, float]
"""Candidate → its share of the top-10, adding up to 1."""
Told = Callable[[str, str, float], None]


def disagreement(one: Top, other: Top) -> float:
    """Return DI of two positions: 0 for the same distribution, 1 for two without a common candidate."""
    total = 0.0
    for token in one.keys() | other.keys():
        p, q = one.get(token, 0.0), other.get(token, 0.0)
        middle = (p + q) / 2.0
        total += sum(share * math.log2(share / middle) for share in (p, q) if share > 0.0)
    return min(max(total / 2.0, 0.0), 1.0)


class Answer:
    """One answer under way; `hear` its events as they came, then `end`."""

    def __init__(self, of: Disagreements, model: str, group: list[Answer]) -> None:
        self.model = model
        self.tops: list[Top | None] = []
        """By position; None where the runtime gave no candidates."""
        self.ended = False
        self._of = of
        self._group = group
        group.append(self)

    def hear(self, event: bytes) -> None:
        """Compare what came with what others said at the same position. Without candidates it costs nothing."""
        if self.ended or b'"top_logprobs"' not in event:
            return
        if len(self.tops) >= MOST_ALONE and all(other.model == self.model for other in self._group):
            self.end()
            return
        try:
            tops = tops_of(event)
        except UNREADABLE:
            self.end()  # how many positions it had is not known: what follows could not be aligned
            return
        if not self._of.hold(len(tops)):
            self.end()
            return
        for top in tops:
            self._next(top)

    def _next(self, top: Top | None) -> None:
        at = len(self.tops)
        self.tops.append(top)
        for other in self._group:
            if top is None or other.model == self.model or len(other.tops) <= at:
                continue
            theirs = other.tops[at]
            if theirs is not None:
                self._of.told(self.model, other.model, disagreement(top, theirs))

    def end(self) -> None:
        """Nothing more will come. Twice is once."""
        if not self.ended:
            self.ended = True
            self._of.leave(self._group)


class Disagreements:
    """All answers under way. `told(model, other, DI)`: two positions could be compared."""

    def __init__(self, told: Told) -> None:
        self.told = told
        self.held = 0
        """Positions held for comparison."""
        self._key = secrets.token_bytes(16)
        self._groups: dict[bytes, list[Answer]] = {}

    def begin(self, model: str, body: bytes) -> Answer | None:
        """A prompt went to `model`; None where it cannot be told what it asks."""
        prompt = prompt_of(body, self._key) if len(body) <= LONGEST_REQUEST else None
        return None if prompt is None else Answer(self, model, self._groups.setdefault(prompt, []))

    def hold(self, positions: int) -> bool:
        """Make room for so many; False where there is none."""
        if self.held + positions > MOST_POSITIONS:
            return False
        self.held += positions
        return True

    def leave(self, group: list[Answer]) -> None:
        """Forget a prompt once all its answers ended: who comes later answers it anew."""
        if all(answer.ended for answer in group):
            self.held -= sum(len(answer.tops) for answer in group)
            self._groups = {prompt: answers for prompt, answers in self._groups.items() if answers is not group}


class _Prompt(Struct, gc=False):
    messages: Raw = ABSENT
    prompt: Raw = ABSENT
    input: Raw = ABSENT
    system: Raw = ABSENT
    instructions: Raw = ABSENT


_prompt = msgspec.json.Decoder(_Prompt)


def prompt_of(body: bytes, key: bytes) -> bytes | None:
    """Return the keyed hash of what a request asks, whichever model it asks; None where it asks nothing readable."""
    try:
        asked = _prompt.decode(body)
    except UNREADABLE:
        return None
    parts = [bytes(getattr(asked, name)) for name in ("messages", "prompt", "input", "system", "instructions")]
    if not any(present(Raw(part)) for part in parts[:3]):
        return None
    digest = blake2b(key=key, digest_size=16)
    for part in parts:
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


class _Candidate(Struct, gc=False):
    token: str = ""
    logprob: float | None = None


class _Position(Struct, gc=False):
    top_logprobs: list[_Candidate] | None = None


class _Columns(Struct, gc=False):
    content: list[_Position] | None = None
    top_logprobs: list[dict[str, float | None] | None] | None = None


class _Choice(Struct, gc=False):
    index: int = 0
    logprobs: list[_Position] | _Columns | None = None


class _Event(Struct, gc=False):
    choices: list[_Choice] | None = None
    logprobs: list[_Position] | _Columns | None = None
    completion_probabilities: list[_Position] | None = None


_event = msgspec.json.Decoder(_Event)


def tops_of(event: bytes) -> list[Top | None]:
    """Return the candidates of each position that an event brings, of the first of several answers.

    Raises msgspec.DecodeError for what cannot be read.
    """
    found = _event.decode(event)
    first = [choice.logprobs for choice in found.choices or () if choice.index == 0]
    tops: list[Top | None] = []
    for told in (*first, found.logprobs, found.completion_probabilities):
        if isinstance(told, _Columns):
            tops += [_top(column.items() if column else ()) for column in told.top_logprobs or ()]
        for position in (told.content if isinstance(told, _Columns) else told) or ():
            tops.append(_top((one.token, one.logprob) for one in position.top_logprobs or ()))
    return tops


def _top(candidates: Iterable[tuple[str, float | None]]) -> Top | None:
    """The ten likeliest, renormalised; None of fewer than two."""
    known = [(value, hash(token)) for token, value in candidates if value is not None and value <= 0.0]
    known.sort(reverse=True)
    weights: dict[int, float] = {}
    for value, token in known[:MOST_CANDIDATES]:
        weights[token] = weights.get(token, 0.0) + math.exp(value)
    total = math.fsum(weights.values())
    if len(weights) < 2 or total <= 0.0:
        return None
    return {token: weight / total for token, weight in weights.items()}
