"""The past of a series: committed chunks and the ring, joined without a seam (DESIGN §5.4)."""

from collections.abc import AsyncIterator, Callable, Collection, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from wfmonitor.v1.metrics_service_pb2 import Selector

from bus.series import Series
from services.aggregator.rings import Rings
from services.aggregator.selection import Selection, to_selector
from services.aggregator.statistics import Floats, Statistic, Times
from services.aggregator.table import RingTable
from services.aggregator.windows import evaluate, event_stale_after_us, stale_after_us, table_stale_after_us

SLICE_US = 3_600_000_000


class Past(NamedTuple):
    """Rows of one series in wall time, ascending; those where it is absent are left out."""

    series: Series
    times_us: Times
    values: Floats


class Chunks(Protocol):
    """Reads what is written down (raw_query.py)."""

    async def read(self, selector: Selector, start_us: int, end_us: int) -> Sequence[tuple[Series, Times, Floats]]:
        """Rows in (start, end] of each series a selector names."""
        ...

    def events(self, metric: str) -> Collection[Series]:
        """The metric's series whose rows came as things happened."""
        ...


class History:
    """Rows of any time: the newest five minutes from the rings, what is older from chunks."""

    def __init__(
        self,
        rings: Rings,
        chunks: Chunks,
        oldest_chunk_us: Callable[[], int],
        newest_chunk_us: Callable[[], int] = lambda: 0,
    ) -> None:
        """`oldest_chunk_us`, `newest_chunk_us`: wall time of the first and the last row written down, 0 without."""
        self._rings = rings
        self._chunks = chunks
        self._oldest_chunk_us = oldest_chunk_us
        self._newest_chunk_us = newest_chunk_us

    async def slices(
        self, chosen: Selection, start_us: int, end_us: int, step_us: int = 1
    ) -> AsyncIterator[tuple[int, int, list[Past]]]:
        """(start, end] in pieces of about an hour, each with its rows: no question holds a day in memory.

        The edges lie whole steps after `start_us`. What is older than anything held is left out.
        """
        length_us = max(1, SLICE_US // step_us) * step_us
        known = [self._oldest_chunk_us(), *(self._first_us(table) for table in self._rings.tables_with(chosen.metric))]
        oldest_us = min((time_us for time_us in known if time_us), default=end_us)
        a = start_us + max(0, oldest_us - 1 - start_us) // step_us * step_us
        while a < end_us:
            b = min(a + length_us, end_us)
            yield a, b, await self.read(chosen, a, b)
            a = b

    @staticmethod
    def _first_us(table: RingTable) -> int:
        a, b = table.positions(table.first)
        return int(table.times_us[a:b].min()) if b > a else 0

    async def read(self, chosen: Selection, start_us: int, end_us: int) -> list[Past]:
        """Rows in (start, end] of each series chosen, sorted by series. Series without rows are left out."""
        recent = self._from_rings(chosen, start_us, end_us)
        known = [s for s, _, _ in self._columns(chosen)]
        everything_recent = (
            known and not self._was_set_back() and all(self._reaches_back_to(series, start_us) for series in known)
        )
        parts: dict[Series, list[Past]] = {}
        old = [] if everything_recent else await self._chunks.read(to_selector(chosen), start_us, end_us)
        for past in recent:
            parts.setdefault(past.series, []).append(past)
        for past in (_present(Past(*one)) for one in old):
            newer = parts.get(past.series, [])
            parts[past.series] = [_without(past, newer), *newer]
        joined = [_joined(series, parts[series]) for series in sorted(parts)]
        return [past for past in joined if len(past.times_us)]

    async def window(self, chosen: Selection, end_us: int, length_us: int, stat: Statistic) -> dict[Series, float]:
        """The statistic over (end − length, end] of each series chosen, NaN absent; length 0: the newest sample."""
        stale = dict.fromkeys(self._chunks.events(chosen.metric), event_stale_after_us(length_us))
        stale |= {series: table_stale_after_us(table, length_us) for series, table, _ in self._columns(chosen)}
        longest_us = max(stale.values(), default=stale_after_us(1.0))
        result = {}
        for past in await self.read(chosen, end_us - (length_us or longest_us + 1), end_us):
            values, times_us = past.values, past.times_us
            if not length_us:
                values, times_us = values[-1:], times_us[-1:]
            stale_us = stale.get(past.series, stale_after_us(1.0))
            result[past.series] = float(evaluate(values[None, :], times_us, end_us, stat, stale_us=stale_us)[0])
        return result

    # -- the rings' part ----------------------------------------------------------------------

    def _columns(self, chosen: Selection) -> list[tuple[Series, RingTable, int]]:
        return [
            (series, table, column)
            for table in self._rings.tables_with(chosen.metric)
            for series, column in table.series.items()
            if chosen.matches(series)
        ]

    def _from_rings(self, chosen: Selection, start_us: int, end_us: int) -> list[Past]:
        found = []
        for table in self._rings.tables_with(chosen.metric):
            columns = {s: column for s, column in table.series.items() if chosen.matches(s)}
            if not columns:
                continue
            a, b = table.positions(table.first)
            times_us = table.times_us[a:b]
            inside = (times_us > start_us) & (times_us <= end_us)
            times_us = times_us[inside]
            for series, column in columns.items():
                values = table.values[column, a:b][inside]
                there = ~np.isnan(values)
                found.append(Past(series, times_us[there], values[there]))
        return found

    def _was_set_back(self) -> bool:
        """Whether rows of a wall clock ahead of now lie in chunks: then what the rings hold is not the newest."""
        newest_us = max((table.newest_us for table in self._rings), default=0)
        return self._newest_chunk_us() > newest_us

    def _oldest_us(self, series: Series) -> int | None:
        """Wall time from which on the rings hold everything of a series."""
        tables = [table for table in self._rings.tables_with(series.metric) if series in table.series]
        return min((int(table.times_us[table.positions(table.first)[0]]) for table in tables), default=None)

    def _reaches_back_to(self, series: Series, start_us: int) -> bool:
        oldest_us = self._oldest_us(series)
        return oldest_us is not None and oldest_us <= start_us


def _without(past: Past, others: list[Past]) -> Past:
    """The rows that the others do not have: by their times one by one, since a set clock leaves no seam."""
    for other in others:
        if len(other.times_us) and len(past.times_us):
            new = ~np.isin(past.times_us, other.times_us)
            past = Past(past.series, past.times_us[new], past.values[new])
    return past


def _present(past: Past) -> Past:
    there = ~np.isnan(past.values)
    return past if there.all() else Past(past.series, past.times_us[there], past.values[there])


def _joined(series: Series, parts: list[Past]) -> Past:
    if len(parts) == 1 and _ascends(parts[0].times_us):
        return parts[0]
    times_us = np.concatenate([part.times_us for part in parts])
    values = np.concatenate([part.values for part in parts])
    if not _ascends(times_us):
        # The wall clock was set back in between, or the series moved between tables.
        order = np.argsort(times_us, kind="stable")
        times_us, values = times_us[order], values[order]
    return Past(series, times_us, values)


def _ascends(times_us: Times) -> bool:
    return bool((times_us[1:] >= times_us[:-1]).all())
