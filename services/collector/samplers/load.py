"""Load averages, number of processes and uptime (CONTRACTS §1)."""

from __future__ import annotations

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.sampler import Absent, Machine


class Load:
    """load1, load5, load15 from /proc/loadavg and uptime_s from /proc/uptime."""

    name = "load"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        try:
            self._loadavg = PinnedFile(machine.proc / "loadavg")
            self._uptime = PinnedFile(machine.proc / "uptime")
        except OSError as error:
            raise Absent(f"{error.filename}: {error.strerror}") from error
        self._columns = tuple(Series(f"system.{field}", "system") for field in ("load1", "load5", "load15", "uptime_s"))

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        one, five, fifteen = self._loadavg.read().split()[:3]
        return [float(one), float(five), float(fifteen), float(self._uptime.read().split()[0])]
