"""Disks: bytes and requests a second, how long they took, how many waited, share of time busy (CONTRACTS §1)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import NAN, Absent, Machine

_SECTOR_BYTES = 512  # /proc/diskstats counts in these whatever the disk's own sectors are
# Whole disks only: partitions, and what is made of other disks (dm, md, loop), would count twice.
_WHOLE = re.compile(rb"(sd[a-z]+|hd[a-z]+|vd[a-z]+|xvd[a-z]+|nvme\d+n\d+|mmcblk\d+|dasd[a-z]+|pmem\d+)")

_METRICS = (
    "read_bytes_s", "write_bytes_s", "busy_percent",
    "reads_s", "writes_s", "read_latency_ms", "write_latency_ms", "queue_depth",
)  # fmt: skip


def find_disks(lines: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """(line, name) of each whole disk in /proc/diskstats."""
    named = ((place, line.split(None, 3)[2]) for place, line in enumerate(lines))
    return [(place, name) for place, name in named if _WHOLE.fullmatch(name)]


class Disk:
    """Eight figures a device of one reading of /proc/diskstats. The latency of a span without a request is absent."""

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
        self._before = b""
        self._last: list[float] = []
        if not find_disks(self._diskstats.read().splitlines()):
            raise Absent("no disk is listed in /proc/diskstats")

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        data = self._diskstats.read()
        if data != self._before:  # while no disk works, the text stays as it is
            self._before = data
            self._last = self._all_counters(data.splitlines())
        rates = self._rates.update(now_s, self._last)
        values: list[float] = []
        for i in range(0, len(rates), 8):
            read, written, busy_ms, reads, writes, reading_ms, writing_ms, queued_ms = rates[i : i + 8]
            values += (
                read,
                written,
                # ms a second → percent; the kernel rounds to its tick, so 100 may be passed by one.
                min(busy_ms / 10.0, 100.0) if busy_ms == busy_ms else busy_ms,
                reads,
                writes,
                reading_ms / reads if reads > 0 else NAN,
                writing_ms / writes if writes > 0 else NAN,
                queued_ms / 1000.0,
            )
        return values

    def _all_counters(self, lines: list[bytes]) -> list[float]:
        counters = self._counters(lines)
        if counters is None:  # a disk came or went, or the lines moved
            self._name(lines)
            counters = self._counters(lines) or []
        return counters

    def _counters(self, lines: list[bytes]) -> list[float] | None:
        """Eight counters of each known disk, in the order `read` takes them; None where its line is another's."""
        if len(lines) != self._lines:
            return None
        counters: list[float] = []
        for place, name in self._disks:
            fields = lines[place].split(None, 14)
            if fields[2] != name:
                return None
            reads, _, sectors_read, reading_ms, writes, _, sectors_written, writing_ms, _, busy_ms, queued_ms = map(
                int, fields[3:14]
            )
            counters += (
                sectors_read * _SECTOR_BYTES, sectors_written * _SECTOR_BYTES, busy_ms,
                reads, writes, reading_ms, writing_ms, queued_ms,
            )  # fmt: skip
        return counters

    def _name(self, lines: list[bytes]) -> None:
        self._disks, self._lines = find_disks(lines), len(lines)
        self._rates = Rates()
        self._columns = tuple(
            Series(f"system.disk.{field}", "system", (("device", name.decode()),))
            for _, name in self._disks
            for field in _METRICS
        )
