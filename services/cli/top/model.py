"""What `wfmon top` knows: a minute of each series, the newest processes, health and events. Pure: frames go in."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.live_pb2 import LiveFrame, LiveTable
from wfmonitor.v1.process_pb2 import ProcessTable

SPAN_S = 60.0
# Shown as absent when the newest value is older: three periods of what comes at 1 Hz.
STALE_S = 3.0


class Name(NamedTuple):
    """One series: metric, source, and its label's value ("" without one)."""

    metric: str
    source: str
    label: str


class Model:
    """The last minute of everything. Times are wall µs of the samples, never of this terminal."""

    def __init__(self) -> None:
        self._series: dict[Name, deque[tuple[int, float]]] = {}
        self.now_us = 0
        self.processes: ProcessTable | None = None
        self.health: dict[str, Health] = {}
        self.events: list[Event] = []

    def take(self, frame: LiveFrame) -> None:
        """Take a key frame; rows already known are left out."""
        self.now_us = max(self.now_us, frame.time_us)
        for table in frame.tables:
            self._take_table(table)
        for health in frame.health:
            self.health[health.service] = health
        if frame.HasField("processes"):
            self.processes = frame.processes

    def take_events(self, events: Iterable[Event]) -> None:
        """Take the newest events, oldest first."""
        self.events = list(events)

    def _take_table(self, table: LiveTable) -> None:
        rows = len(table.times_us)
        for column, key in enumerate(table.series):
            source = key.source or table.source
            if source.startswith("process:"):
                continue  # the process table says the same
            name = Name(key.metric, source, key.labels[0].value if key.labels else "")
            kept = self._series.setdefault(name, deque())
            newest = kept[-1][0] if kept else 0
            for row in range(rows):
                if table.times_us[row] > newest:
                    kept.append((table.times_us[row], table.values[column * rows + row]))
            while kept and kept[0][0] < self.now_us - SPAN_S * 1e6:
                kept.popleft()

    def last(self, metric: str, source: str = "system", label: str = "") -> float:
        """Return the newest value; NaN where there is none, or where it is stale."""
        kept = self._series.get(Name(metric, source, label))
        if not kept or self.now_us - kept[-1][0] > STALE_S * 1e6:
            return math.nan
        return kept[-1][1]

    def mean(self, metric: str, seconds: float, source: str = "system", label: str = "") -> float:
        """Return the mean of the last `seconds`; NaN without a value in them."""
        kept = self._series.get(Name(metric, source, label), ())
        since = self.now_us - seconds * 1e6
        return _mean([value for time_us, value in kept if time_us > since])

    def labels(self, metric: str, source: str = "system") -> list[str]:
        """Return the labels of a metric that are live, numbers in their order."""
        found = [name.label for name in self._series if name.metric == metric and name.source == source]
        alive = [label for label in found if not math.isnan(self.last(metric, source, label))]
        return sorted(alive, key=lambda label: (not label.isdigit(), int(label) if label.isdigit() else 0, label))

    def sources(self, metric: str) -> list[str]:
        """Return the sources that have a metric now."""
        found = {name.source for name in self._series if name.metric == metric}
        return sorted(source for source in found if not math.isnan(self.last(metric, source)))

    def total(self, metric: str) -> float:
        """Return the sum over all labels of the newest second; NaN where none has a value."""
        return _sum([self.mean(metric, 1.0, label=label) for label in self.labels(metric)])

    def history(self, metric: str, width: int, source: str = "system") -> list[float]:
        """Return the last minute in `width` parts, oldest first: the mean of each, summed over labels."""
        parts: list[float] = [math.nan] * width
        for name, kept in self._series.items():
            if name.metric != metric or name.source != source:
                continue
            buckets: list[list[float]] = [[] for _ in range(width)]
            for time_us, value in kept:
                at = width - 1 - int((self.now_us - time_us) / (SPAN_S * 1e6) * width)
                if 0 <= at < width:
                    buckets[at].append(value)
            for at, bucket in enumerate(buckets):
                parts[at] = _sum([parts[at], _mean(bucket)])
        return parts


def _mean(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) / len(known) if known else math.nan


def _sum(values: list[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return sum(known) if known else math.nan
