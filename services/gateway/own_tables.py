"""What enters at the gateway, as tables of its own samples: one a source, columns the union of what came.

A source that sends other fields each time would change its table's schema each time; so a column once
seen stays, and is absent (NaN) in rows that do not have it.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Protocol

from wfmonitor.v1.sample_pb2 import RateGroup

from bus.series import Series
from services.gateway.refusal import Refusal

MAX_SOURCES = 200
MAX_COLUMNS = 256


class Table(Protocol):
    """bus.samples.SampleTable, as far as it is needed here."""

    def write(
        self, columns: tuple[Series, ...], times_us: Sequence[int], boot_us: Sequence[int], values: Sequence[float]
    ) -> None: ...


class Producer(Protocol):
    """bus.samples.SampleProducer, as far as it is needed here."""

    def table(self, source: str, group: RateGroup.ValueType, rate_hz: float, shown_only: bool = False) -> Table: ...


class _Open:
    def __init__(self, table: Table) -> None:
        self.table = table
        self.columns: tuple[Series, ...] = ()
        self.newest_us = 0


class OwnTables:
    """Tables by source, made when the first row comes."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._open: dict[str, _Open] = {}

    def newest_us(self, source: str) -> int:
        """Time of a source's newest row; 0 where there is none."""
        known = self._open.get(source)
        return known.newest_us if known is not None else 0

    def check(self, source: str, series: Mapping[Series, float], time_us: int) -> None:
        """Raises Refusal where the row may not be written: too many sources or columns, or older than the newest."""
        known = self._open.get(source)
        if known is None:
            if len(self._open) >= MAX_SOURCES:
                raise Refusal(
                    429,
                    "source",
                    f"{MAX_SOURCES} sources are open, {source[:80]!r} would be one more.",
                    "Send fewer sources; restart the gateway to forget old ones.",
                )
            return
        if time_us < known.newest_us:
            raise Refusal(
                409,
                "ts",
                f"{time_us / 1000:.0f} is older than the newest event of {source[:80]} ({known.newest_us / 1000:.0f}).",
                "Send the events of a source in order of time.",
            )
        if len(set(known.columns) | series.keys()) > MAX_COLUMNS:
            raise Refusal(
                400,
                "fields",
                f"{source[:80]} would have more than {MAX_COLUMNS} series.",
                "Split it into several sources.",
            )

    def write(self, source: str, time_us: int, boot_us: int, values: Mapping[Series, float]) -> None:
        """Adds a row; nothing where no value is there."""
        if not values:
            return
        known = self._open.get(source)
        if known is None:
            table = self._producer.table(source, RateGroup.RATE_GROUP_TREND, 1.0)
            known = self._open[source] = _Open(table)
        if not values.keys() <= set(known.columns):
            known.columns = tuple(sorted(set(known.columns) | values.keys()))
        known.newest_us = time_us
        row = [values.get(series, math.nan) for series in known.columns]
        known.table.write(known.columns, [time_us], [boot_us], row)
