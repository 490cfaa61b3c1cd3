"""Disks: bytes read and written a second and share of time busy, each device (CONTRACTS §1)."""

from __future__ import annotations

import re

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import Absent, Machine

_SECTOR_BYTES = 512  # /proc/diskstats counts in these whatever the disk's own sectors are
# Whole disks only: partitions, and what is made of other disks (dm, md, loop), would count twice.
_WHOLE = re.compile(rb"(sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|dasd[a-z]+|pmem\d+|nbd\d+)")


def parse_diskstats(data: bytes) -> dict[str, tuple[int, int, int]]:
    """Device → (bytes read, bytes written, ms busy) since it came, of whole disks."""
    found = {}
    for line in data.splitlines():
        fields = line.split(None, 13)
        if len(fields) > 13 and _WHOLE.fullmatch(fields[2]):
            read, written, busy_ms = int(fields[5]), int(fields[9]), int(fields[12])
            found[fields[2].decode()] = (read * _SECTOR_BYTES, written * _SECTOR_BYTES, busy_ms)
    return {name: row for name, row in found.items() if not (name.startswith("nbd") and not any(row))}


class Disk:
    """disk.read_bytes_s, disk.write_bytes_s, disk.busy_percent a device, from /proc/diskstats."""

    name = "disk"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        try:
            self._diskstats = PinnedFile(machine.proc / "diskstats")
        except OSError as error:
            raise Absent(f"{machine.proc}/diskstats: {error.strerror}") from error
        self._devices: tuple[str, ...] = ()
        self._columns: tuple[Series, ...] = ()
        self._rates = Rates()
        if not parse_diskstats(self._diskstats.read()):
            raise Absent("no disk is listed in /proc/diskstats")

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        disks = parse_diskstats(self._diskstats.read())
        devices = tuple(disks)
        if devices != self._devices:
            self._devices = devices
            self._rates = Rates()
            self._columns = tuple(
                Series(f"system.disk.{field}", "system", (("device", device),))
                for device in devices
                for field in ("read_bytes_s", "write_bytes_s", "busy_percent")
            )
        values = self._rates.update(now_s, [number for row in disks.values() for number in row])
        for i in range(2, len(values), 3):
            # ms a second → percent; the kernel rounds to its tick, so 100 may be passed by one.
            values[i] = min(values[i] / 10.0, 100.0) if values[i] == values[i] else values[i]
        return values
