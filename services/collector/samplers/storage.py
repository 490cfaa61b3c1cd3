"""The monitor's own storage: size of its databases, free space, bytes it reads and writes (CONTRACTS §1)."""

from __future__ import annotations

import os

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.processes.parse import parse_io
from services.collector.rates import Rates
from services.collector.sampler import NAN, Absent, Machine


class Storage:
    """db_bytes, wal_bytes, disk_free_bytes, and read/write_bytes_s of the monitor's processes together."""

    name = "storage"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        if machine.home is None:
            raise Absent("no home to measure")
        self._data = machine.home / "data"
        self._proc = machine.proc
        self._own = machine.own_processes()
        self._files: dict[int, PinnedFile | None] = {}
        self._rates: dict[int, Rates] = {}
        self._columns = tuple(
            Series(f"storage.{field}", "storage")
            for field in ("db_bytes", "wal_bytes", "disk_free_bytes", "read_bytes_s", "write_bytes_s")
        )

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        databases = logs = 0
        with os.scandir(self._data) as entries:
            for entry in entries:
                try:
                    if entry.name.endswith(".db"):
                        databases += entry.stat().st_size
                    elif entry.name.endswith(".db-wal"):
                        logs += entry.stat().st_size
                except OSError:  # a log that was checkpointed away between the two calls
                    continue
        found = os.statvfs(self._data)
        read_s, write_s = self._flows(now_s)
        return [float(databases), float(logs), float(found.f_bavail * found.f_frsize), read_s, write_s]

    def _flows(self, now_s: float) -> tuple[float, float]:
        """Added over the processes seen twice; NaN before any was."""
        pids = set(self._own.at(now_s).values())
        for gone in self._files.keys() - pids:
            del self._files[gone], self._rates[gone]
        flows = []
        for pid in pids:
            rates = self._rates.setdefault(pid, Rates())
            if pid not in self._files:
                self._files[pid] = self._open(pid)
            file = self._files[pid]
            try:
                pair = rates.update(now_s, parse_io(file.read())) if file else [NAN, NAN]
            except OSError:
                self._files[pid] = None
                continue
            if pair[0] == pair[0] and pair[1] == pair[1]:
                flows.append(pair)
        if not flows:
            return NAN, NAN
        return sum(pair[0] for pair in flows), sum(pair[1] for pair in flows)

    def _open(self, pid: int) -> PinnedFile | None:
        try:
            return PinnedFile(self._proc / str(pid) / "io", 512)
        except OSError:
            return None
