"""The collector on the bus: rows into its tables, events and log lines through the service's context."""

from __future__ import annotations

from wfmonitor.v1.sample_pb2 import RateGroup

from bus.context import ServiceContext
from bus.samples import SampleTable
from services.collector.assembly import TableRow

GROUPS = {
    "render": RateGroup.RATE_GROUP_RENDER,
    "resource": RateGroup.RATE_GROUP_RESOURCE,
    "trend": RateGroup.RATE_GROUP_TREND,
}


class Wire:
    """Called from the threads of the groups; what it calls is safe from any thread."""

    def __init__(self, ctx: ServiceContext) -> None:
        self._ctx = ctx
        self._tables: dict[tuple[str, str], SampleTable] = {}

    def write(self, group: str, rate_hz: float, row: TableRow, time_us: int, boot_us: int) -> None:
        """One row into its table: the ring file first, then the bus, before it returns."""
        table = self._tables.get((row.source, group))
        if table is None:
            table = self._ctx.samples.table(row.source, GROUPS[group], rate_hz)
            self._tables[row.source, group] = table
        table.rate_hz = rate_hz
        table.write(row.columns, (time_us,), (boot_us,), row.values)

    def event(self, kind: str, source: str, title: str, **attributes: str) -> None:
        """Something to be marked on charts and kept."""
        self._ctx.emit(kind, source, title, None, **attributes)

    def warn(self, text: str, sampler: str, error: str) -> None:
        """One line for the log."""
        self._ctx.log.warning(f"sampler {text}", sampler=sampler, error=error)

    def degraded(self, reason: str | None) -> None:
        """What is lost while the collector works on; None: nothing."""
        self._ctx.degraded(reason)

    def setting(self, key: str, default: object) -> object:
        """A setting in force; the default where governance knows no such key (a third party's sampler)."""
        try:
            return self._ctx.settings[key]
        except KeyError:
            return default
