"""The monotonic grid: when a group ticks, how late it was, and what it missed. Pure; time comes in."""

from __future__ import annotations

import math
from collections import deque
from typing import NamedTuple


class Tick(NamedTuple):
    """One tick: its place on the grid and how late it began, both in seconds."""

    due_s: float
    late_s: float


class Pace:
    """Ticks at `origin_s + n / rate_hz`. A tick that ends after later ones were due leaves them out:
    they are counted in `missed`, never caught up by a burst (DESIGN §5.1)."""

    def __init__(self, rate_hz: float, origin_s: float) -> None:
        self.missed = 0
        self._late: deque[tuple[float, float]] = deque(maxlen=512)
        self.rate_hz = rate_hz
        self._origin_s = origin_s
        self._n = 1

    @classmethod
    def anchored(cls, rate_hz: float, now_s: float, phase_s: float = 0.0) -> Pace:
        """A grid through whole seconds (plus a phase), so that groups of different rates share points."""
        pace = cls(rate_hz, 0.0)
        pace.retime(rate_hz, now_s, phase_s)
        return pace

    @property
    def due_s(self) -> float:
        """When the next tick is due."""
        return self._origin_s + self._n / self.rate_hz

    def retime(self, rate_hz: float, now_s: float, phase_s: float = 0.0) -> None:
        """Another rate; its first tick is the first point of the anchored grid after now."""
        self.rate_hz = rate_hz
        self._origin_s = math.floor(now_s - phase_s) + phase_s
        self._n = math.floor((now_s - self._origin_s) * rate_hz + 1e-9) + 1

    def take(self, now_s: float) -> Tick | None:
        """The tick that is due, or None before its time. Grid points passed since are missed."""
        due_s = self.due_s
        if now_s < due_s:
            return None
        passed = math.floor((now_s - self._origin_s) * self.rate_hz + 1e-9) - self._n
        if passed > 0:  # begin at the newest point: an older one would only be later still
            self.missed += passed
            self._n += passed
            due_s = self.due_s
        self._n += 1
        tick = Tick(due_s, now_s - due_s)
        self._late.append((now_s, tick.late_s))
        return tick

    def jitter_s(self, now_s: float, span_s: float = 1.0) -> float:
        """99th percentile (nearest rank) of how late ticks were in the last span; NaN without a tick."""
        while self._late and now_s - self._late[0][0] > span_s:
            self._late.popleft()
        if not self._late:
            return math.nan
        ordered = sorted(late for _, late in list(self._late))
        return ordered[math.ceil(0.99 * len(ordered)) - 1]
