"""The collector on the bus: rows into its tables, events and log lines through the service's context."""

from __future__ import annotations

from collections.abc import Collection

from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.sample_pb2 import RateGroup

from bus import topics
from bus.clock import boot_us, monotonic_s, wall_us
from bus.context import ServiceContext
from bus.runtime_ports import counter_of, found_ports
from bus.samples import SampleTable
from services.collector.assembly import TableRow
from services.collector.processes.board import Board, Table
from services.collector.processes.message import process_table, spike_event, spike_title
from services.collector.spikes.watch import Spike

GROUPS = {
    "render": RateGroup.RATE_GROUP_RENDER,
    "resource": RateGroup.RATE_GROUP_RESOURCE,
    "trend": RateGroup.RATE_GROUP_TREND,
}


class Wire:
    """Called from the threads of the groups; what it calls is safe from any thread."""

    def __init__(self, ctx: ServiceContext, board: Board) -> None:
        self._ctx = ctx
        self._board = board
        # Without tmpfs the ring file of events lies on disk, where names may not be without consent.
        self._ring_in_memory = (ctx.home.run / "rings").is_symlink()
        self._tables: dict[tuple[str, str], SampleTable] = {}

    def write(self, group: str, rate_hz: float, row: TableRow, time_us: int, boot_us: int, more: bool) -> None:
        """One row into its table: the ring file first, then the bus, before it returns; `more`: the tick has others."""
        table = self._tables.get((row.source, group))
        if table is None:
            table = self._ctx.samples.table(row.source, GROUPS[group], rate_hz)
            self._tables[row.source, group] = table
        table.rate_hz = rate_hz
        table.write(row.columns, (time_us,), (boot_us,), row.values, more)

    def event(self, kind: str, source: str, title: str, **attributes: str) -> None:
        """Something to be marked on charts and kept."""
        self._ctx.emit(kind, source, title, None, **attributes)

    def event_at(self, time_us: int, boot_us: int, kind: str, source: str, title: str) -> None:
        """Something that happened before now."""
        self._ctx.emit(kind, source, title, Event(time_us=time_us, boot_us=boot_us))

    def show(self, table: Table) -> None:
        """A process table for the page: published, never journalled, never recorded."""
        message = process_table(table, self._board.numbers, wall_us(), self._names_shown())
        self._ctx.publish(topics.PROCESSES, message)

    def runtimes(self, ports: Collection[int]) -> None:
        """Where model runtimes listen: said with each heartbeat, so that the tap knows it whenever it starts."""
        counters = self._ctx.counters
        # A copy: the loop may add a counter while this thread reads them.
        for gone in set(found_ports(list(counters))).difference(ports):
            counters.pop(counter_of(gone), None)
        counters.update(dict.fromkeys(map(counter_of, ports), 1.0))

    def spike(self, spike: Spike) -> None:
        """A spike with the processes of that moment. Whoever stores it takes the names out, unless by consent."""
        ago_us = int((monotonic_s() - spike.left.since_s) * 1e6)
        recorded = self.setting("privacy.record.process_names", False) is True
        names = self._names_shown() and (recorded or self._ring_in_memory)
        table = process_table(spike.table, self._board.numbers, wall_us(), names) if spike.table else None
        event = spike_event(spike, table, wall_us() - ago_us, boot_us() - ago_us)
        self._ctx.emit("spike", spike.series.source, spike_title(spike), event)

    def _names_shown(self) -> bool:
        return self.setting("privacy.show.process_names", True) is True

    def warn(self, text: str, sampler: str, error: str) -> None:
        """One line for the log."""
        self._ctx.log.warning(text, sampler=sampler, error=error)

    def degraded(self, reason: str | None) -> None:
        """What is lost while the collector works on; None: nothing."""
        self._ctx.degraded(reason)

    def setting(self, key: str, default: object) -> object:
        """A setting in force; the default where governance knows no such key (a third party's sampler)."""
        try:
            return self._ctx.settings[key]
        except KeyError:
            return default
