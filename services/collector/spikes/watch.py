"""Watches the drawn series; where one leaves its usual range, scans the processes of that moment."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from bus.series import Series
from services.collector.assembly import TableRow
from services.collector.processes.board import LEAST_SPAN_S, Board, Table
from services.collector.processes.registry import Snapshot
from services.collector.spikes.usual import Left, Usual

MIB = 1024.0 * 1024.0
# Metric → the least change that is one, in its unit, and whether a fall counts.
FLOORS: dict[str, tuple[float, bool]] = {
    "system.cpu.percent": (15.0, False),
    "system.cpu.core_percent": (40.0, False),
    "system.mem.percent": (2.0, True),
    "system.swap.percent": (2.0, False),
    "system.disk.read_bytes_s": (8 * MIB, False),
    "system.disk.write_bytes_s": (8 * MIB, False),
    "system.net.rx_bytes_s": (2 * MIB, False),
    "system.net.tx_bytes_s": (2 * MIB, False),
    "system.psi.cpu.some_avg10": (15.0, False),
    "system.psi.mem.some_avg10": (5.0, False),
    "system.psi.io.some_avg10": (10.0, False),
    "gpu.util_percent": (25.0, False),
}
# Of the cores only the busiest is watched: work wanders from one to another.
_BUSIEST = "system.cpu.core_percent"
# A scan this young serves as the beginning of the span.
_YOUNG_S = 0.3
_MOST_A_MINUTE = 6


class Spike(NamedTuple):
    """A series that left its usual range, and who was running."""

    series: Series
    left: Left
    table: Table | None
    """None where processes are not measured."""


class _Watched:
    """One table's columns: where the watched ones stand."""

    def __init__(self, columns: tuple[Series, ...], usual: dict[Series, Usual]) -> None:
        self.columns = columns
        self.single: list[tuple[int, Series, Usual]] = []
        self.cores = [place for place, series in enumerate(columns) if series.metric == _BUSIEST]
        for place, series in enumerate(columns):
            if series.metric in FLOORS and series.metric != _BUSIEST:
                self.single.append((place, series, usual.setdefault(series, Usual(*FLOORS[series.metric]))))
        self.busiest = usual.setdefault(Series(_BUSIEST, "system"), Usual(*FLOORS[_BUSIEST])) if self.cores else None


class Watch:
    """Fed with every row, in the threads of the groups; a spike is told within a tick."""

    def __init__(self, board: Board, setting: Callable[[str, object], object], tell: Callable[[Spike], None]) -> None:
        """`setting(key, default)` says what is switched on; `tell` gets each spike."""
        self._board = board
        self._setting = setting
        self._tell = tell
        self._usual: dict[Series, Usual] = {}
        self._tables: dict[tuple[str, str], _Watched] = {}
        self._begin: Snapshot | None = None
        self._told_s: deque[float] = deque()
        self._lock = threading.Lock()

    def observe(self, group: str, now_s: float, rows: list[TableRow]) -> None:
        """All rows of one tick. Safe from several threads."""
        with self._lock:
            self._observe(group, now_s, rows)

    def _observe(self, group: str, now_s: float, rows: list[TableRow]) -> None:
        if self._setting("collector.spikes.enabled", True) is not True:
            self._tables.clear()
            self._usual.clear()
            return
        suspects = False
        left: list[tuple[Series, Left]] = []
        for row in rows:
            watched = self._tables.get((row.source, group))
            if watched is None or watched.columns is not row.columns:
                watched = self._tables[row.source, group] = _Watched(row.columns, self._usual)
            for place, series, usual in watched.single:
                found = usual.observe(now_s, row.values[place])
                suspects = suspects or usual.suspect
                if found is not None:
                    left.append((series, found))
            if watched.busiest is not None:
                values = row.values
                place = watched.cores[0]
                for other in watched.cores:
                    if values[other] > values[place] or values[place] != values[place]:  # NaN: absent
                        place = other
                found = watched.busiest.observe(now_s, row.values[place])
                suspects = suspects or watched.busiest.suspect
                if found is not None:
                    left.append((row.columns[place], found))
        if suspects:
            self._prepare(now_s)
        if left:
            self._report(now_s, left)

    def _scans(self) -> bool:
        return self._setting("collector.sampler.process.enabled", True) is True

    def _prepare(self, now_s: float) -> None:
        """Something may be a spike: the span to look at begins here, not at the last second's scan."""
        begin = self._begin
        if self._scans() and (begin is None or now_s - begin.time_s > 2.0):
            last = self._board.last
            young = last is not None and last.whole and now_s - last.time_s <= _YOUNG_S
            self._begin = last if young else self._board.scan(now_s, whole=True)

    def _report(self, now_s: float, left: list[tuple[Series, Left]]) -> None:
        while self._told_s and now_s - self._told_s[0] > 60.0:
            self._told_s.popleft()
        # One core at its limit is no news where all of them together already are.
        if any(series.metric == "system.cpu.percent" for series, _ in left):
            left = [(series, found) for series, found in left if series.metric != _BUSIEST]
        table = self._look(now_s) if len(self._told_s) < _MOST_A_MINUTE else None
        for series, found in left:
            if len(self._told_s) < _MOST_A_MINUTE:
                self._told_s.append(now_s)
                self._tell(Spike(series, found, table))

    def _look(self, now_s: float) -> Table | None:
        if not self._scans():
            return None
        begin, self._begin = self._begin, None
        if begin is None or now_s - begin.time_s < LEAST_SPAN_S:
            begin = self._board.last
        if begin is None:
            return None
        end = self._board.scan(now_s, whole=True)
        return self._board.table(begin, end, self._board.compare(begin, end, dear=False))
