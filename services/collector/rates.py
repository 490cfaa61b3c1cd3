"""From counters that only grow to rates a second. Pure: the time of each reading comes in."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from services.collector.sampler import NAN

# Grid ticks 100 ms apart are read a little more or less than 100 ms apart.
_TOLERANCE = 0.9


class Rates:
    """Increase a second of several counters between two readings.

    The first reading, a counter that fell (a device that came anew) and a changed number of
    counters give NaN, never a guess.
    """

    def __init__(self) -> None:
        self._time_s = NAN
        self._counters: Sequence[float] = ()
        self._still: list[float] | None = None

    def update(self, now_s: float, counters: Sequence[float]) -> list[float]:
        """The increase a second of each counter since the last call, in the counters' unit a second."""
        before, span = self._counters, now_s - self._time_s
        self._counters, self._time_s, self._still = counters, now_s, None
        if len(before) != len(counters) or not span > 0:
            return [NAN] * len(counters)
        return [(new - old) / span if new >= old else NAN for new, old in zip(counters, before, strict=True)]

    def stand_still(self, now_s: float) -> list[float]:
        """As `update` with the counters of the last call: for a source whose text stayed the same.

        The same list object as long as nothing but this was called.
        """
        if not now_s > self._time_s:
            return [NAN] * len(self._counters)
        self._time_s = now_s
        if self._still is None:
            self._still = [0.0 if counter == counter else NAN for counter in self._counters]
        return self._still


class Trail:
    """The last readings, so that a share is averaged over at least `span_s` at any rate."""

    def __init__(self, span_s: float) -> None:
        self._span_s = span_s * _TOLERANCE
        self._readings: deque[tuple[float, Sequence[float]]] = deque()

    def update(self, now_s: float, reading: Sequence[float]) -> tuple[float, Sequence[float]] | None:
        """Adds a reading and returns the youngest one at least the span old, with its age; None: none yet."""
        readings = self._readings
        if readings and len(readings[-1][1]) != len(reading):
            readings.clear()
        while len(readings) > 1 and now_s - readings[1][0] >= self._span_s:
            readings.popleft()
        found = readings[0] if readings and now_s - readings[0][0] >= self._span_s else None
        readings.append((now_s, reading))
        return None if found is None else (now_s - found[0], found[1])
