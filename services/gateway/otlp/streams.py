"""What each stream grew since its last point: deltas as they come, cumulative ones by difference, resets seen. Pure.

A reset is a start that is later than the stream's last point, or a value that fell: what the stream counted since
then is all new. The first point of a cumulative stream that began before us is only where counting begins, and so
is the first with other buckets.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from services.gateway.otlp.distribution import Distribution, difference
from services.gateway.otlp.points import Identity, Point

# A program has some hundred streams; 8,192 with their histograms take some 20 MiB.
MAX_STREAMS = 8192
MAX_OF_A_SENDER = 1024
SILENT_US = 600_000_000
# To look through all of them costs as much as 500 points.
_SWEEP_US = 10_000_000


class Growth(NamedTuple):
    """What was counted, and over how many seconds; NaN seconds: over a time that is not known."""

    amount: float | Distribution | None
    """None: nothing can be told yet."""
    seconds: float


class _Held(NamedTuple):
    start_us: int
    time_us: int
    value: float | Distribution


class Streams:
    """The last point of every stream that grows. `since_us`: when we began to listen."""

    def __init__(self, since_us: int) -> None:
        self._since_us = since_us
        self._held: dict[Identity, _Held] = {}
        self._of: dict[Identity, int] = {}
        self._swept_us = 0

    def __len__(self) -> int:
        return len(self._held)

    def growth(self, point: Point, now_us: int) -> Growth | str:
        """What the point adds; a text where it cannot be taken, and why."""
        time_us = point.time_us or now_us
        if point.start_us > time_us:  # nothing begins after its end: it says nothing
            point = point._replace(start_us=0)
        held = self._held.get(point.stream)
        if held is None and (full := self._full(point.sender, now_us)):
            return full
        if held is not None and time_us <= held.time_us:
            return "it is not later than the last point of its stream"
        self._keep(point, _Held(point.start_us, time_us, point.value))
        if point.delta:
            began_us = point.start_us or (held.time_us if held else 0)
            return Growth(point.value, _seconds(began_us, time_us))
        if held is None:
            if point.start_us >= self._since_us:
                return Growth(point.value, _seconds(point.start_us, time_us))
            return Growth(None, math.nan)
        return _grown(point, held, time_us)

    def _keep(self, point: Point, held: _Held) -> None:
        if point.stream not in self._held:
            self._of[point.sender] = self._of.get(point.sender, 0) + 1
        self._held[point.stream] = held

    def _full(self, sender: Identity, now_us: int) -> str:
        if len(self._held) >= MAX_STREAMS and abs(now_us - self._swept_us) >= _SWEEP_US:
            self._swept_us = now_us
            self._forget(now_us - SILENT_US)
        if self._of.get(sender, 0) >= MAX_OF_A_SENDER:
            return f"its sender has {MAX_OF_A_SENDER} streams already; send fewer attributes"
        if len(self._held) >= MAX_STREAMS:
            return f"{MAX_STREAMS} streams are known already; send fewer attributes"
        return ""

    def _forget(self, before_us: int) -> None:
        for stream in [stream for stream, held in self._held.items() if held.time_us < before_us]:
            del self._held[stream]
            sender = stream[0]
            assert isinstance(sender, tuple)  # noqa: S101 - a stream's identity begins with its sender's
            self._of[sender] -= 1
            if not self._of[sender]:
                del self._of[sender]


def _grown(point: Point, held: _Held, time_us: int) -> Growth:
    anew = point.start_us > held.time_us
    more = None if anew else _difference(point.value, held.value)
    if more is not None:
        return Growth(more, _seconds(held.time_us, time_us))
    if not anew and _other_shape(point.value, held.value):
        return Growth(None, math.nan)
    return Growth(point.value, _seconds(max(point.start_us, held.time_us), time_us))


def _difference(new: float | Distribution, old: float | Distribution) -> float | Distribution | None:
    if isinstance(new, float) and isinstance(old, float):
        return new - old if new >= old else None
    if isinstance(new, float) or isinstance(old, float):
        return None
    return difference(new, old)


def _other_shape(new: float | Distribution, old: float | Distribution) -> bool:
    """Whether a distribution that did not shrink has other buckets now: what it counted before is not new."""
    return not isinstance(new, float) and not isinstance(old, float) and new.count >= old.count


def _seconds(began_us: int, ended_us: int) -> float:
    return (ended_us - began_us) / 1e6 if 0 < began_us < ended_us else math.nan
