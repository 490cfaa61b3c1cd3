"""What one Watch has still to tell its reader: bounded, the newest values win, and what is left out is said."""

import asyncio
from collections import deque
from collections.abc import Callable

from wfmonitor.v1.window_pb2 import WindowValue

from bus.series import Series
from services.aggregator.selection import Selection

# For a reader of one query 102 s, of the most that can be watched 0.4 s.
MOST_WAITING = 1024


class Waiting:
    """Values in order, as they wait for the reader. Of each that is left out `tell` hears how many those are by now."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._values: deque[WindowValue] = deque()
        self._came = asyncio.Event()
        self._tell = tell
        self._missed = self._missed_total = 0

    def hearing(self, chosen: Selection) -> Callable[[WindowValue], None]:
        """What to call with each value of a query: it is narrowed to the selection, and waits."""

        def hear(value: WindowValue) -> None:
            kept = WindowValue(metric=value.metric, stat=value.stat, window=value.window, time_us=value.time_us)
            for key, number in zip(value.series, value.values, strict=True):
                labels = tuple((label.name, label.value) for label in key.labels)
                if not chosen.narrows or chosen.matches(Series(key.metric, key.source, labels)):
                    kept.series.append(key)
                    kept.values.append(number)
            self._put(kept)

        return hear

    def _put(self, value: WindowValue) -> None:
        if len(self._values) >= MOST_WAITING:
            self._values.popleft()
            self._missed += 1
            self._missed_total += 1
            self._tell(self._missed_total)
        self._values.append(value)
        self._came.set()

    async def take(self) -> WindowValue:
        """The oldest that waits; it says how many were left out before it."""
        while not self._values:
            self._came.clear()
            await self._came.wait()
        value = self._values.popleft()
        value.missed, self._missed = self._missed, 0
        return value
