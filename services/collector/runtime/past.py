"""What a runtime's counters and histograms did since: rates that see restarts. Pure; time comes in."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from itertools import islice, pairwise
from typing import NamedTuple

from services.collector.runtime.histogram import Histogram, difference
from services.collector.sampler import NAN

# Quantiles and shares are of the last minute: a runtime of one person ends a few requests in it, not hundreds.
SPAN_S = 60.0


class _Moment(NamedTuple):
    time_s: float
    counters: Mapping[str, float]
    histograms: Mapping[str, Histogram]


class Past:
    """The readings of the last minute. A restart begins a new past: what lies before says nothing about a rate.

    A restart is another `life` (the runtime's own word for it), or any counter that fell.
    """

    def __init__(self, span_s: float = SPAN_S) -> None:
        self._span_s = span_s
        self._life = ""
        self._moments: deque[_Moment] = deque()

    def add(
        self,
        now_s: float,
        counters: Mapping[str, float | None],
        histograms: Mapping[str, Histogram | None] | None = None,
        life: str = "",
    ) -> None:
        """One reading; what is None was not told."""
        moment = _Moment(
            now_s,
            {name: value for name, value in counters.items() if value is not None},
            {name: value for name, value in (histograms or {}).items() if value is not None},
        )
        moments = self._moments
        if moments and (life != self._life or _fell(moments[-1], moment)):
            moments.clear()
        self._life = life
        moments.append(moment)
        # One reading at least as old as the span stays, so that the span is whole.
        while len(moments) > 2 and now_s - moments[1].time_s >= self._span_s:
            moments.popleft()

    @property
    def seconds(self) -> float:
        """Between the last two readings; NaN before the second."""
        return self._moments[-1].time_s - self._moments[-2].time_s if len(self._moments) > 1 else NAN

    def step(self, name: str) -> float:
        """Increase of a counter between the last two readings; NaN where that is not known."""
        return _increase(name, self._moments[-2], self._moments[-1]) if len(self._moments) > 1 else NAN

    def lately(self, name: str) -> float:
        """Increase of a counter over the last minute, or as much of it as is known; NaN where nothing is."""
        old = self._oldest(lambda moment: name in moment.counters)
        return _increase(name, old, self._moments[-1]) if old else NAN

    def rate(self, name: str) -> float:
        """Increase a second between the last two readings."""
        seconds = self.seconds
        return self.step(name) / seconds if seconds > 0.0 else NAN

    def pace(self, name: str) -> float:
        """Increase a second between the last two times a counter moved, for one that moves every few seconds only.

        NaN where it did not move with the last reading: whether anything was done since is not known then.
        """
        known = [(moment.time_s, moment.counters[name]) for moment in self._moments if name in moment.counters]
        moves = [new for old, new in pairwise(known) if new[1] != old[1]]
        if len(moves) < 2 or moves[-1] is not known[-1]:
            return NAN
        (before_s, before), (now_s, now) = moves[-2:]
        return (now - before) / (now_s - before_s)

    def ratio(self, part: str, whole: str) -> float:
        """Increase of one counter over that of another, in the part of the last minute in which both are known.

        NaN where the other did not move.
        """
        old = self._oldest(lambda moment: part in moment.counters and whole in moment.counters)
        if old is None:
            return NAN
        among = _increase(whole, old, self._moments[-1])
        return _increase(part, old, self._moments[-1]) / among if among > 0.0 else NAN

    def histogram(self, name: str) -> Histogram | None:
        """What a histogram counted in the last minute, or since it is there; None where nothing is known."""
        old = self._oldest(lambda moment: name in moment.histograms)
        new = self._moments[-1].histograms.get(name) if old else None
        return None if old is None or new is None else difference(new, old.histograms[name])

    def _oldest(self, knows: Callable[[_Moment], bool]) -> _Moment | None:
        """The oldest moment before the last that knows of something: what has labels appears with its first use."""
        return next((moment for moment in islice(self._moments, len(self._moments) - 1) if knows(moment)), None)


def _increase(name: str, old: _Moment, new: _Moment) -> float:
    before, now = old.counters.get(name), new.counters.get(name)
    return NAN if before is None or now is None else now - before


def _fell(old: _Moment, new: _Moment) -> bool:
    return any(new.counters.get(name, value) < value for name, value in old.counters.items()) or any(
        name in new.histograms and new.histograms[name].all < before.all for name, before in old.histograms.items()
    )
