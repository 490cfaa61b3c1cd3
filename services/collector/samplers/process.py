"""Processes: the top ones by each measure, added up by name, at 1 Hz (CONTRACTS §1, §11)."""

from __future__ import annotations

from bus.series import Series
from services.collector.processes.board import LEAST_SPAN_S, Board, Table
from services.collector.processes.ranking import MEASURES, Usage
from services.collector.processes.registry import Snapshot
from services.collector.sampler import NAN, Absent, Machine

# A name stays a column so long after it was last among the top: columns that come and go are dear to keep.
KEEP_S = 60.0
_MOST_NAMES = 64


class Processes:
    """process.* of the top names. Under a number each, or under their names by consent.

    Every scan's table also goes to `show`, for the page; it is never recorded.
    """

    name = "process"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        if not (machine.proc / "self/stat").exists():
            raise Absent(f"{machine.proc}/self/stat is not there")
        self._board = machine.board or Board(machine.proc, machine.own_processes(), lambda: machine.gpu.by_pid)
        self._show = machine.show
        self._setting = machine.setting
        self._named = self._by_name()
        self._last: Snapshot | None = None
        self._kept: dict[str, float] = {}
        self._places: dict[str, str] = {}
        self._columns: tuple[Series, ...] = (Series("system.processes", "system"),)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def _by_name(self) -> bool:
        return self._setting("privacy.record.process_names", False) is True

    def read(self, now_s: float) -> list[float]:
        new = self._board.scan(now_s)
        old, self._last = self._last, new
        total = float(len(new.counters))
        if old is None or new.time_s - old.time_s < LEAST_SPAN_S / 2:
            return [total] + [NAN] * (len(self._columns) - 1)
        usages = self._board.compare(old, new)
        table = self._board.table(old, new, usages)
        self._show(table)
        self._keep(table.rows, now_s)
        by_name = {usage.name: usage for usage in usages}
        values = [total]
        for name in self._places:
            usage = by_name.get(name)
            values += [NAN] * len(MEASURES) if usage is None else [getattr(usage, measure) for measure in MEASURES]
        return values

    def rest(self) -> None:
        """Switched off: the page's table empties."""
        self._show(Table(0.0, [], 0))

    def _keep(self, rows: list[Usage], now_s: float) -> None:
        """Which names are columns: those on the table, and for a minute those that were."""
        for usage in rows:
            self._kept[usage.name] = now_s
        self._kept = {name: seen for name, seen in self._kept.items() if now_s - seen <= KEEP_S}
        if len(self._kept) > _MOST_NAMES:
            newest = sorted(self._kept, key=lambda name: -self._kept[name])[:_MOST_NAMES]
            self._kept = {name: self._kept[name] for name in self._kept if name in set(newest)}
        named = self._by_name()
        if named == self._named and self._kept.keys() == self._places.keys():
            return
        self._named = named
        units = {usage.name: usage.unit for usage in rows}
        self._places = {name: units.get(name, self._places.get(name, "")) for name in self._kept}
        columns = [Series("system.processes", "system")]
        for name, unit in self._places.items():
            source = f"process:{name}" if named else f"process:#{self._board.numbers.of(name)}"
            labels = (("unit", unit),) if named and unit else ()
            columns += [Series(f"process.{measure}", source, labels) for measure in MEASURES]
        self._columns = tuple(columns)
