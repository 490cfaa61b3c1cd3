"""Requests that go round: a proxy behind the tap that was led to the tap itself asks what it was asked, without end.

A proxy tells nobody who asked it, so this is seen by what it does: the same request, again and again, while none of
them has been answered. A LiteLLM whose one model led to the tap made 400 of one request in 7 s.
"""

from __future__ import annotations

from collections import Counter

from bus.runtime_names import LITELLM
from services.tap.connection import Body
from services.tap.routes import Upstream

# Equal requests that wait for one proxy. A load test may well send dozens; HTTP clients stop at 100 connections, and
# what goes round would then wait for itself.
MOST_EQUAL = 96
_MAY_BE_PROXIES = frozenset({"", LITELLM})


class Rounds:
    """Counts equal requests that wait for an answer of what may be a proxy."""

    def __init__(self) -> None:
        self._waiting: Counter[int] = Counter()

    def enter(self, upstream: Upstream, body: Body) -> int | None:
        """Return what to leave with, 0 where nothing is counted; None: it goes round, and is not to be sent."""
        if upstream.runtime not in _MAY_BE_PROXIES or not isinstance(body, bytes):
            return 0
        turn = hash((upstream.authority, body))
        if self._waiting[turn] >= MOST_EQUAL:
            return None
        self._waiting[turn] += 1
        return turn

    def leave(self, turn: int) -> None:
        """It was answered, or is given up."""
        if turn:
            self._waiting[turn] -= 1
            if not self._waiting[turn]:
                del self._waiting[turn]
