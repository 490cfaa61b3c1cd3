"""What one Watch has still to tell its reader: bounded, the newest values win, and what is left out is said."""

import asyncio
from collections.abc import Callable

from wfmonitor.v1.window_pb2 import WindowValue

from bus.series import Series
from services.aggregator.selection import Selection

# For a reader of one query 102 s, of the most that can be watched 0.4 s.
MOST_WAITING = 1024


class Waiting:
    """Values in order, as they wait for the reader. Of each that is left out `tell` hears how many those are by now."""

    def __init__(self, tell: Callable[[int], None]) -> None:
        self._values: asyncio.Queue[WindowValue] = asyncio.Queue(MOST_WAITING)
        self._tell = tell
        self._missed = self._missed_total = 0

    def hearing(self, chosen: Selection) -> Callable[[WindowValue], None]:
        """What to call with each value of a query: it is narrowed to the selection, and waits."""

        def hear(value: WindowValue) -> None:
            self._put(_narrowed(value, chosen))

        return hear

    def _put(self, value: WindowValue) -> None:
        if self._values.full():
            self._values.get_nowait()
            self._missed += 1
            self._missed_total += 1
            self._tell(self._missed_total)
        self._values.put_nowait(value)

    async def take(self) -> WindowValue:
        """The oldest that waits; it says how many were left out before it."""
        value = await self._values.get()
        value.missed, self._missed = self._missed, 0
        return value


def _narrowed(value: WindowValue, chosen: Selection) -> WindowValue:
    """A value of its own: it will say what was missed before it."""
    kept = WindowValue()
    kept.CopyFrom(value)
    if not chosen.narrows:
        return kept
    del kept.series[:], kept.values[:]
    for key, number in zip(value.series, value.values, strict=True):
        labels = tuple((label.name, label.value) for label in key.labels)
        if chosen.matches(Series(key.metric, key.source, labels)):
            kept.series.append(key)
            kept.values.append(number)
    return kept
