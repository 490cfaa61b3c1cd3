"""Disks: bytes read and written a second and share of time busy, each device (CONTRACTS §1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import Absent, Machine

_SECTOR_BYTES = 512  # /proc/diskstats counts in these whatever the disk's own sectors are
# Whole disks only: partitions, and what is made of other disks (dm, md, loop), would count twice.
_WHOLE = re.compile(rb"(sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|dasd[a-z]+|pmem\d+)")


def find_disks(lines: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """(line, name) of each whole disk in /proc/diskstats."""
    named = ((place, line.split(None, 3)[2]) for place, line in enumerate(lines))
    return [(place, name) for place, name in named if _WHOLE.fullmatch(name)]


class Disk:
    """disk.read_bytes_s, disk.write_bytes_s, disk.busy_percent a device, from /proc/diskstats."""

    name = "disk"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        try:
            self._diskstats = PinnedFile(machine.proc / "diskstats")
        except OSError as error:
            raise Absent(f"{machine.proc}/diskstats: {error.strerror}") from error
        self._disks: list[tuple[int, bytes]] = []
        self._lines = 0
        self._columns: tuple[Series, ...] = ()
        self._rates = Rates()
        if not find_disks(self._diskstats.read().splitlines()):
            raise Absent("no disk is listed in /proc/diskstats")

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        lines = self._diskstats.read().splitlines()
        counters = self._counters(lines)
        if counters is None:  # a disk came or went, or the lines moved
            self._name(lines)
            counters = self._counters(lines) or []
        values = self._rates.update(now_s, counters)
        for i in range(2, len(values), 3):
            # ms a second → percent; the kernel rounds to its tick, so 100 may be passed by one.
            values[i] = min(values[i] / 10.0, 100.0) if values[i] == values[i] else values[i]
        return values

    def _counters(self, lines: list[bytes]) -> list[float] | None:
        """Bytes read, bytes written and ms busy of each known disk; None where its line is another's."""
        if len(lines) != self._lines:
            return None
        counters: list[float] = []
        for place, name in self._disks:
            fields = lines[place].split(None, 13)
            if fields[2] != name:
                return None
            counters += (int(fields[5]) * _SECTOR_BYTES, int(fields[9]) * _SECTOR_BYTES, int(fields[12]))
        return counters

    def _name(self, lines: list[bytes]) -> None:
        self._disks, self._lines = find_disks(lines), len(lines)
        self._rates = Rates()
        self._columns = tuple(
            Series(f"system.disk.{field}", "system", (("device", name.decode()),))
            for _, name in self._disks
            for field in ("read_bytes_s", "write_bytes_s", "busy_percent")
        )
