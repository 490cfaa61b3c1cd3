"""The usual range of one series, learned as it goes. Pure.

The range is taken from the means of the last 300 seconds:

    low  = q05 − max(q50 − q05, floor)        high = q95 + max(q95 − q50, floor)

with quantiles by nearest rank. Quantiles, not mean and deviation: one spike among 300 seconds moves them
by nothing, so it cannot hide the next. The floor is what a person would call a change at all; without it an
idle machine, whose values hardly move, would report every breath. A new level becomes the usual one after
15 s, when it fills the 5 % above q95.
"""

from __future__ import annotations

import bisect
import enum
import math
from collections import deque
from typing import NamedTuple

MEMORY_S = 300
WARM_UP_S = 30
# One reading over 100 ms is 10 ms steps of noise: outside for this long is a spike.
CONFIRM_S = 0.25
# Back inside for so long, and a new spike may be told; within a wave of them, one in this time.
CALM_S = 2.0
QUIET_S = 30.0


class State(enum.Enum):
    """Where a series stands against its own range."""

    WARMING = "warming"
    USUAL = "usual"
    SUSPECT = "suspect"
    OUT = "out"


# By these names in what runs a hundred times a second: naming a member of its class costs 0.6 µs each time.
_WARMING, _USUAL, _SUSPECT, _OUT = State


class Left(NamedTuple):
    """A series has left its range: since when, how far, and what was usual."""

    since_s: float
    value: float
    low: float
    high: float


class Usual:
    """Feed it every reading; it says when the range was left."""

    def __init__(self, floor: float, both_sides: bool = False) -> None:
        """`floor` in the series' unit; `both_sides`: falling below the range counts as well."""
        self.state = _WARMING
        self.low = -math.inf
        self.high = math.inf
        self._floor = floor
        self._both_sides = both_sides
        self._means: deque[float] = deque()
        self._ordered: list[float] = []
        self._least = -math.inf
        """Below it a value is outside: `low` where falls count."""
        self._second_ends_s = -math.inf
        self._total = 0.0
        self._count = 0
        self._since_s = 0.0
        self._peak = 0.0
        self._inside_since_s = math.nan
        self._told_s = -math.inf

    @property
    def suspect(self) -> bool:
        """Outside its range, not yet for long enough."""
        return self.state is _SUSPECT

    def observe(self, now_s: float, value: float) -> Left | None:
        """One reading; absent ones (NaN) change nothing. Says once for each spike that it is one."""
        if value != value:
            return None
        left = None
        # The common case, ten times a second a series, is told by two comparisons.
        if self.state is not _USUAL or not self._least <= value <= self.high:
            left = self._judge(now_s, value)
        if now_s < self._second_ends_s:
            self._total += value
            self._count += 1
        else:
            self._turn(now_s, value)
        return left

    def _judge(self, now_s: float, value: float) -> Left | None:
        if self.state is _WARMING:
            return None
        if self._least <= value <= self.high:
            if self.state is _SUSPECT:
                self.state = _USUAL
            elif self.state is _OUT:
                if self._inside_since_s != self._inside_since_s:
                    self._inside_since_s = now_s
                if now_s - self._inside_since_s >= CALM_S:
                    self.state = _USUAL
            return None
        self._inside_since_s = math.nan
        if self.state is _USUAL:
            self.state, self._since_s, self._peak = _SUSPECT, now_s, value
            return None
        if self.state is _OUT:
            return None
        self._peak = max(self._peak, value) if value > self.high else min(self._peak, value)
        if now_s - self._since_s < CONFIRM_S:
            return None
        self.state = _OUT
        if now_s - self._told_s < QUIET_S:
            return None
        self._told_s = now_s
        return Left(self._since_s, self._peak, self.low, self.high)

    def _turn(self, now_s: float, value: float) -> None:
        """Another second begins with this reading."""
        if self._count:
            self._close(self._total / self._count)
        self._second_ends_s = math.floor(now_s) + 1.0
        self._total, self._count = value, 1

    def _close(self, mean: float) -> None:
        """A second is over: its mean enters the range, the oldest leaves it."""
        self._means.append(mean)
        bisect.insort(self._ordered, mean)
        if len(self._means) > MEMORY_S:
            gone = self._means.popleft()
            del self._ordered[bisect.bisect_left(self._ordered, gone)]
        if len(self._means) < WARM_UP_S:
            return
        if self.state is _WARMING:
            self.state = _USUAL
        low, middle, high = (self._ordered[_rank(share, len(self._ordered))] for share in (0.05, 0.5, 0.95))
        self.low = low - max(middle - low, self._floor)
        if self._both_sides:
            self._least = self.low
        self.high = high + max(high - middle, self._floor)


def _rank(share: float, count: int) -> int:
    return max(math.ceil(share * count - 1e-9), 1) - 1
