"""The process table: what the sampler records, the page shows, and a spike keeps. Safe from two threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from services.collector.own_processes import OwnProcesses
from services.collector.processes.numbers import Numbers
from services.collector.processes.ranking import Usage, compare, top
from services.collector.processes.registry import Registry, Snapshot
from services.collector.processes.shares import Shares

# CPU time counts in 10 ms: over less than this a rate says nothing.
LEAST_SPAN_S = 0.1


class Table(NamedTuple):
    """The top processes of one moment."""

    span_s: float
    """What the rates are averaged over."""
    rows: list[Usage]
    total: int
    """Processes on the machine."""


class Board:
    """Scans, and compares with an earlier scan."""

    def __init__(
        self,
        proc: Path = Path("/proc"),
        own: OwnProcesses | None = None,
        gpu: Callable[[], dict[int, tuple[float, float]]] = dict,
    ) -> None:
        self.numbers = Numbers()
        self.last: Snapshot | None = None
        """The newest scan."""
        self._registry = Registry(proc)
        self._own = own or OwnProcesses(proc, None)
        self._gpu = gpu
        self._shares = Shares()
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._lock = threading.Lock()

    def scan(self, now_s: float, whole: bool = False) -> Snapshot:
        """A snapshot of all processes; those that stand still are read in turns, or all now (`whole`)."""
        with self._lock:
            self.last = self._registry.snapshot(now_s, whole)
            return self.last

    def compare(self, old: Snapshot, new: Snapshot, dear: bool = True) -> list[Usage]:
        """Usage by name between two scans; `dear` reads PSS where it is due, else what is known is repeated."""
        own = {pid: name for name, pid in self._own.at(new.time_s).items()}
        usages = compare(old, new, own, self._gpu(), self._page)
        with self._lock:
            self._shares.fill(usages, new.time_s, dear, self._own.pss_bytes)
        return usages

    def table(self, old: Snapshot, new: Snapshot, usages: list[Usage]) -> Table:
        """The top ten by each measure, with their units."""
        rows = top(usages)
        for usage in rows:
            units = {process.find_unit() for process in usage.members}
            usage.unit = units.pop() if len(units) == 1 else ""
        return Table(new.time_s - old.time_s, rows, len(new.counters))
