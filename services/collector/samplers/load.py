"""Load averages, number of threads and uptime (CONTRACTS §1)."""

from __future__ import annotations

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.sampler import Absent, Machine


class Load:
    """load1, load5, load15 and threads from /proc/loadavg, uptime_s from /proc/uptime."""

    name = "load"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        try:
            self._loadavg = PinnedFile(machine.proc / "loadavg")
            self._uptime = PinnedFile(machine.proc / "uptime")
        except OSError as error:
            raise Absent(f"{error.filename}: {error.strerror}") from error
        fields = ("load1", "load5", "load15", "threads", "uptime_s")
        self._columns = tuple(Series(f"system.{field}", "system") for field in fields)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        one, five, fifteen, tasks = self._loadavg.read().split()[:4]
        threads = tasks.partition(b"/")[2]  # those that run / those there are
        return [float(one), float(five), float(fifteen), float(threads), float(self._uptime.read().split()[0])]
