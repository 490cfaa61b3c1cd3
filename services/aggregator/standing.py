"""Standing queries: windows that somebody listens to, evaluated on the grid of sample time (CONTRACTS §6).

Pure: rings and the time of now go in, WindowValues come out. Nothing is computed for nobody.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from wfmonitor.v1.window_pb2 import WindowValue

from bus.series import Series, to_key
from services.aggregator.clock_line import STEP_US
from services.aggregator.rings import Rings
from services.aggregator.statistics import Statistic, Times, statistic, window_us
from services.aggregator.table import RING_S, RingTable
from services.aggregator.windows import over_table, stale_after_us

GRID_US = 100_000
# A grid point waits so long for a producer that has not passed it.
WAIT_US = 250_000
# After a pause of ours the grid points of so long ago are still evaluated, so that no alert misses a peak
# that lies in the rings; what is older was a suspend or is nobody's concern any more.
CATCH_UP_US = 60_000_000
# Evaluations in one go, before the loop breathes.
AT_ONCE = 200
LONGEST_US = RING_S * 1_000_000


class Query(NamedTuple):
    metric: str
    stat: str
    window: str


class TooLong(ValueError):
    """A window the rings do not reach over."""


@dataclass(slots=True)
class _Part:
    """The columns of one ring that a query reads."""

    table: RingTable
    columns: Times


@dataclass(slots=True)
class _Standing:
    query: Query
    stat: Statistic
    length_us: int
    next_us: int
    rings_version: int = -1
    parts: list[_Part] = field(default_factory=list)
    message: WindowValue = field(default_factory=WindowValue)


class StandingQueries:
    """Who listens to what, and what is due for them."""

    def __init__(self, rings: Rings) -> None:
        self._rings = rings
        self._listeners: Counter[Query] = Counter()
        self._standing: dict[Query, _Standing] = {}
        self._offset_us: int | None = None

    def __len__(self) -> int:
        return len(self._standing)

    def begin(self, query: Query, now_us: int) -> None:
        """One listener more. Raises ValueError where statistic or window are none, TooLong over five minutes."""
        if query not in self._standing:
            length_us = window_us(query.window)
            if length_us > LONGEST_US:
                raise TooLong(f"a standing window reaches over at most {RING_S} s, not {query.window}")
            first_us = now_us // GRID_US * GRID_US
            self._standing[query] = _Standing(query, statistic(query.stat), length_us, first_us)
        self._listeners[query] += 1

    def end(self, query: Query) -> None:
        """One listener less; with the last one the computing stops."""
        if query not in self._standing:
            return
        self._listeners[query] -= 1
        if self._listeners[query] <= 0:
            del self._listeners[query], self._standing[query]

    def wake_us(self) -> int | None:
        """When `due` should be asked at the latest; None: nobody listens."""
        return min((s.next_us for s in self._standing.values()), default=None)

    def due(
        self, now_us: int, offset_us: int, send: Callable[[Query, WindowValue], None], limit: int = AT_ONCE
    ) -> bool:
        """Evaluates what is due and hands each value to `send` (the message is used again for the next).

        `offset_us` is wall minus boot clock. Returns whether more is due than `limit` evaluations.
        """
        self._follow_clock(now_us, offset_us)
        done = 0
        for standing in self._standing.values():
            self._plan(standing)
            while self._ready(standing, now_us):
                if done >= limit:
                    return True
                self._evaluate(standing, offset_us)
                send(standing.query, standing.message)
                standing.next_us += GRID_US
                done += 1
        return False

    def _follow_clock(self, now_us: int, offset_us: int) -> None:
        """Where the wall clock was set, the grid goes on at the same moment of the new time."""
        moved = 0 if self._offset_us is None else offset_us - self._offset_us
        self._offset_us = offset_us
        for standing in self._standing.values():
            if abs(moved) > STEP_US:
                standing.next_us = -((standing.next_us + moved) // -GRID_US) * GRID_US
            if standing.next_us < now_us - CATCH_UP_US:
                standing.next_us = now_us // GRID_US * GRID_US

    def _ready(self, standing: _Standing, now_us: int) -> bool:
        g = standing.next_us
        if g > now_us:
            return False
        if now_us >= g + WAIT_US:
            return True
        live = [
            part.table
            for part in standing.parts
            if not part.table.of_events and now_us - part.table.newest_us <= stale_after_us(part.table.rate_hz)
        ]
        return bool(live) and all(table.newest_us >= g for table in live)

    def _plan(self, standing: _Standing) -> None:
        if standing.rings_version == self._rings.version:
            return
        standing.rings_version = self._rings.version
        where: dict[Series, RingTable] = {}
        # A series that moved to another table (its rate group changed) is read where it is newest.
        for table in sorted(self._rings.tables_with(standing.query.metric), key=lambda table: table.newest_us):
            where.update((s, table) for s in table.series if s.metric == standing.query.metric)
        by_table: dict[int, list[Series]] = {}
        tables = {id(table): table for table in where.values()}
        for series in sorted(where):
            by_table.setdefault(id(where[series]), []).append(series)
        standing.parts = [
            _Part(tables[name], np.array([tables[name].series[s] for s in group], np.intp))
            for name, group in by_table.items()
        ]
        query = standing.query
        standing.message = WindowValue(
            metric=query.metric,
            stat=query.stat,
            window=query.window,
            series=[to_key(series) for group in by_table.values() for series in group],
        )

    @staticmethod
    def _evaluate(standing: _Standing, offset_us: int) -> None:
        message = standing.message
        message.time_us = standing.next_us
        del message.values[:]
        for part in standing.parts:
            message.values.extend(
                over_table(
                    part.table, part.columns, standing.next_us, standing.length_us, standing.stat, offset_us=offset_us
                ).tolist()
            )
