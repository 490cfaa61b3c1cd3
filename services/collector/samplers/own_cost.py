"""What the monitor itself costs, a service (CONTRACTS §1, class monitor)."""

from __future__ import annotations

import os
from pathlib import Path

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.processes.parse import parse_pss, parse_stat
from services.collector.rates import Trail
from services.collector.sampler import NAN, Absent, Machine

# A process's CPU time counts in 10 ms: over 10 s that is 0.1 % of a core.
AVERAGE_S = 10.0
# smaps_rollup walks the whole address space: 0.3–2 ms of CPU a process, and what it tells moves slowly.
PSS_EVERY_S = 60.0
_FIELDS = ("cpu_percent", "rss_bytes", "pss_bytes")


class _Service:
    """One process of ours: CPU averaged over 10 s, PSS read each minute and repeated in between."""

    def __init__(self, proc: Path, pid: int, first_pss_s: float) -> None:
        self._stat = PinnedFile(proc / str(pid) / "stat", 1024)
        self._smaps = proc / str(pid) / "smaps_rollup"
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._trail = Trail(AVERAGE_S)
        self._first: tuple[float, float] | None = None
        self._pss = NAN
        self._pss_due_s = first_pss_s

    def read(self, now_s: float) -> list[float]:
        stat = parse_stat(self._stat.read())
        cpu_s, rss = stat.ticks / 100.0, float(stat.rss_pages * self._page)
        found = self._trail.update(now_s, (cpu_s,))
        if self._first is None:
            self._first = (now_s, cpu_s)
        # In the first 10 s: since the first reading, once that is a second ago.
        span_s, before_s = (found[0], found[1][0]) if found else (now_s - self._first[0], self._first[1])
        if now_s >= self._pss_due_s:
            self._pss_due_s = now_s + PSS_EVERY_S
            self._pss = parse_pss(PinnedFile(self._smaps).read())
        return [100.0 * (cpu_s - before_s) / span_s if span_s >= 0.9 else NAN, rss, self._pss]


class OwnCost:
    """monitor:<service> cpu_percent, rss_bytes and pss_bytes; a service that ended is absent."""

    name = "own_cost"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        if machine.home is None:
            raise Absent("no home to find the services in")
        if not (machine.proc / "self/stat").exists():
            raise Absent(f"{machine.proc}/self/stat is not there")
        self._proc = machine.proc
        self._own = machine.own_processes()
        self._pids: dict[str, int] = {}
        self._services: dict[str, _Service | None] = {}
        self._columns: tuple[Series, ...] = ()

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        pids = self._own.at(now_s)
        if pids is not self._pids:
            self._follow(pids, now_s)
        values: list[float] = []
        told = self._own.pss_bytes
        for name, service in self._services.items():
            try:
                values += [NAN, NAN, NAN] if service is None else service.read(now_s)
                if values[-1] == values[-1]:
                    told[pids[name]] = values[-1]
            except (OSError, ValueError):  # it ended; the next look leaves it out
                self._services[name] = None
                values += [NAN, NAN, NAN]
        return values

    def rest(self) -> None:
        """Switched off: what was read is no longer of now."""
        self._own.pss_bytes.clear()

    def _follow(self, pids: dict[str, int], now_s: float) -> None:
        kept = {name: service for name, service in self._services.items() if pids.get(name) == self._pids.get(name)}
        self._services = {}
        for i, (name, pid) in enumerate(pids.items()):
            try:
                # One a second, so that no tick carries them all.
                self._services[name] = kept.get(name) or _Service(self._proc, pid, now_s + 1.0 + i)
            except OSError:
                self._services[name] = None
        self._pids = pids
        self.rest()
        self._columns = tuple(
            Series(f"monitor.{field}", f"monitor:{name}") for name in self._services for field in _FIELDS
        )
