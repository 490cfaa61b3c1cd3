"""llama.cpp's `/slots`: how fast the requests in hand are, how full their context is, and whether anybody asked."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from services.collector.sampler import NAN

_NOBODY = -1
"""The task of an idle slot in builds that forget whose it was."""


class NextToken(msgspec.Struct):
    n_decoded: int = 0


class Slot(msgspec.Struct):
    """The part of a slot that is read: numbers only, never `prompt` or `generated`."""

    id: int = 0
    id_task: int | None = None
    """The request in hand or, in newer builds, the last one; None: there was none yet."""
    n_ctx: int = 0
    is_processing: bool = False
    n_prompt_tokens: int | None = None
    next_token: list[NextToken] | NextToken | None = None

    @property
    def decoded(self) -> int:
        token = self.next_token
        one = (token[0] if token else None) if isinstance(token, list) else token
        return one.n_decoded if one else 0


class Live(NamedTuple):
    """One look at the slots of a model."""

    running: int
    """Requests in hand."""
    speed: float
    """Tokens a second of all of them since the last look; NaN where a part of it was not seen."""
    fill: float | None
    """The fullest context among them, 0 to 1; None where none is told."""
    used: object
    """Changes with each request; None where an idle slot does not tell whose it was."""


class Slots:
    """Compares each look with the one before. Time comes in."""

    def __init__(self) -> None:
        self._before_s = NAN
        self._decoded: dict[tuple[int, int | None], int] = {}
        self._used: object = None

    def read(self, slots: list[Slot], now_s: float) -> Live:
        """A new look, at monotonic time `now_s`."""
        busy = [slot for slot in slots if slot.is_processing]
        decoded = {(slot.id, slot.id_task): slot.decoded for slot in busy}
        told = not any(slot.id_task == _NOBODY for slot in slots if not slot.is_processing)
        used = tuple((slot.id, slot.id_task, slot.decoded, slot.is_processing) for slot in slots) if told else None
        speed = NAN
        if not busy:
            speed = 0.0 if used is not None and used == self._used else NAN
        elif decoded.keys() == self._decoded.keys() and now_s > self._before_s:
            # A request that came or went in between was seen in part only: the speed of that step is not known.
            speed = (sum(decoded.values()) - sum(self._decoded.values())) / (now_s - self._before_s)
        self._before_s, self._decoded, self._used = now_s, decoded, used
        fills = [slot.n_prompt_tokens / slot.n_ctx for slot in busy if slot.n_prompt_tokens is not None and slot.n_ctx]
        return Live(len(busy), speed, max(fills, default=None), used)
