"""What enters at the gateway, as tables of its own samples: one a source, columns the union of what came.

A source that sends other fields each time would change its table's schema each time; so a column once
seen stays, and is absent (NaN) in rows that do not have it.

The rows of a table come in order of time (`RowTimes`). No row lies ahead of now, so nothing locks a source: an event
ahead counts as now, one that is late as next after the newest, where it is late by no more than `LATE_US`.
"""

import math
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import NamedTuple, Protocol

from wfmonitor.v1.sample_pb2 import RateGroup

from bus import clock
from bus.row_times import RowTimes
from bus.series import Series
from services.gateway.ingest import Row
from services.gateway.refusal import Refusal

MAX_SOURCES = 200
MAX_COLUMNS = 256
# Of all sources together: five minutes of them at a row a second are 31 MB of the 96 that the aggregator's rings may
# take; what does not fit there it throws away, and the sender would have its 200.
MAX_SERIES = 8192
# Two senders of one source, or two connections of one sender: what was measured first may come second.
LATE_US = 10_000_000


class Table(Protocol):
    """bus.samples.SampleTable, as far as it is needed here."""

    def write(
        self, columns: tuple[Series, ...], times_us: Sequence[int], boot_us: Sequence[int], values: Sequence[float]
    ) -> None: ...


class Producer(Protocol):
    """bus.samples.SampleProducer, as far as it is needed here."""

    def table(self, source: str, group: RateGroup.ValueType, rate_hz: float, shown_only: bool = False) -> Table: ...


class Now(NamedTuple):
    """One moment of the two clocks, µs."""

    wall_us: int
    boot_us: int

    @classmethod
    def read(cls) -> "Now":
        """The moment of the call."""
        return cls(clock.wall_us(), clock.boot_us())


class _Open:
    def __init__(self, table: Table) -> None:
        self.table = table
        self.columns: tuple[Series, ...] = ()
        self.held: frozenset[Series] = frozenset()
        self.times = RowTimes()


class OwnTables:
    """Tables by source, made when the first row comes."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._open: dict[str, _Open] = {}
        self._series = 0
        """Of all tables together."""

    def write(self, rows: Sequence[Row], now: Now) -> None:
        """Adds the rows in order of time, all of them or none; one without values is nothing.

        Raises Refusal 429 for too many sources or series of all, 400 for too many columns of one, 409 for a row that is
        older than the newest of its source by more than `LATE_US`.
        """
        for row, boot_us in self._placed(rows, now):
            self._add(row, boot_us, now)

    def put(self, source: str, values: Mapping[Series, float], now: Now) -> None:
        """Adds a row of a source that the gateway itself names: whatever else is open, there is room for it."""
        if values:
            self._add(Row(source, now.wall_us, dict(values)), now.boot_us, now)

    def _placed(self, rows: Sequence[Row], now: Now) -> list[tuple[Row, int]]:
        """Each row with its time by the boot clock, judged as if those before it were written."""
        placed: list[tuple[Row, int]] = []
        newest: dict[str, float] = {}
        held: dict[str, AbstractSet[Series]] = {}
        sources, series = len(self._open), self._series
        for row in sorted((row for row in rows if row.values), key=lambda row: row.time_us):
            source = row.source
            if source not in newest:
                known = self._open.get(source)
                if known is None and (sources := sources + 1) > MAX_SOURCES:
                    raise Refusal(
                        429,
                        f"{row.at}source",
                        f"{MAX_SOURCES} sources are open, {source[:80]!r} would be one more.",
                        "Send fewer sources; restart the gateway to forget old ones.",
                    )
                newest[source] = known.times.newest_boot_us if known is not None else -math.inf
                held[source] = known.held if known is not None else frozenset()
            if more := row.values.keys() - held[source]:
                held[source] |= more
                series += len(more)
            if more and series > MAX_SERIES:
                raise Refusal(
                    429,
                    f"{row.at}fields",
                    f"with those of {source[:80]!r} all sources would have more than {MAX_SERIES} series.",
                    "Send fewer fields; restart the gateway to forget old ones.",
                )
            if len(held[source]) > MAX_COLUMNS:
                raise Refusal(
                    400,
                    f"{row.at}fields",
                    f"{source[:80]} would have more than {MAX_COLUMNS} series.",
                    "Split it into several sources.",
                )
            boot_us = min(row.time_us - now.wall_us, 0) + now.boot_us
            late_s = (newest[source] - boot_us) / 1e6
            if late_s > LATE_US / 1e6:
                raise Refusal(
                    409,
                    f"{row.at}ts",
                    f"it lies {late_s:.6g} s before the newest event of {source[:80]}, which is more than "
                    f"{LATE_US / 1e6:g} s.",
                    "Send the events of a source in order of time.",
                )
            boot_us = boot_us if late_s < 0 else int(newest[source]) + 1
            newest[source] = boot_us
            placed.append((row, boot_us))
        return placed

    def _add(self, row: Row, boot_us: int, now: Now) -> None:
        known = self._open.get(row.source)
        if known is None:
            known = _Open(self._producer.table(row.source, RateGroup.RATE_GROUP_TREND, 1.0))
            self._open[row.source] = known
        if more := row.values.keys() - known.held:
            known.held |= more
            self._series += len(more)
            known.columns = tuple(sorted(known.held))
        time_us, boot_us = known.times.next(boot_us, now.wall_us - now.boot_us)
        values = [row.values.get(series, math.nan) for series in known.columns]
        known.table.write(known.columns, [time_us], [boot_us], values)
