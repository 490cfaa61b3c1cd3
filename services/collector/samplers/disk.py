"""Disks: bytes and requests a second, how long they took and how many waited, flushes, discards (CONTRACTS §1)."""

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

_FIGURES = (
    "read_bytes_s", "write_bytes_s", "busy_percent", "reads_s", "writes_s", "read_latency_ms", "write_latency_ms",
    "queue_depth", "read_merges_s", "write_merges_s",
)  # fmt: skip
# Linux 4.18 and later, and 5.5 and later: how many numbers follow a disk's name where it tells these.
_DISCARDS, _FLUSHES = (15, ("discards_s", "discard_bytes_s")), (17, ("flushes_s", "flush_latency_ms"))


def find_disks(lines: Sequence[bytes]) -> list[tuple[int, bytes]]:
    """(line, name) of each whole disk in /proc/diskstats."""
    named = ((place, line.split(None, 3)[2]) for place, line in enumerate(lines))
    return [(place, name) for place, name in named if _WHOLE.fullmatch(name)]


class Disk:
    """Up to fourteen figures a disk of one reading of /proc/diskstats.

    The latency of a span without a request is absent. What a kernel does not tell (discards before 4.18, flushes
    before 5.5) is left out.
    """

    name = "disk"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        try:
            self._diskstats = PinnedFile(machine.proc / "diskstats")
        except OSError as error:
            raise Absent(f"{machine.proc}/diskstats: {error.strerror}") from error
        self._disks: list[tuple[int, bytes]] = []
        self._lines = self._width = 0
        self._columns: tuple[Series, ...] = ()
        self._rates = Rates()
        self._before = b""
        self._still: list[float] = []
        self._still_figures: list[float] = []
        if not find_disks(self._diskstats.read().splitlines()):
            raise Absent("no disk is listed in /proc/diskstats")

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        data = self._diskstats.read()
        if data != self._before:
            self._before = data
            counters = self._all_counters(data.splitlines())
            return self._figures(self._rates.update(now_s, counters))
        rates = self._rates.stand_still(now_s)
        if rates is not self._still:  # the first time that no disk worked
            self._still, self._still_figures = rates, self._figures(rates)
        return self._still_figures

    def _figures(self, rates: list[float]) -> list[float]:
        values: list[float] = []
        for i in range(0, len(rates), self._width):
            reads, read_merges, read, reading_ms, writes, write_merges, written, writing_ms, _, busy_ms, queued_ms = (
                rates[i : i + 11]
            )
            values += (
                read * _SECTOR_BYTES,
                written * _SECTOR_BYTES,
                # ms a second → percent; the kernel rounds to its tick, so 100 may be passed by one.
                min(busy_ms / 10.0, 100.0) if busy_ms == busy_ms else busy_ms,
                reads,
                writes,
                reading_ms / reads if reads > 0 else NAN,
                writing_ms / writes if writes > 0 else NAN,
                queued_ms / 1000.0,
                read_merges,
                write_merges,
            )
            if self._width >= _DISCARDS[0]:
                values += (rates[i + 11], rates[i + 13] * _SECTOR_BYTES)
            if self._width >= _FLUSHES[0]:
                flushes, flushing_ms = rates[i + 15 : i + 17]
                values += (flushes, flushing_ms / flushes if flushes > 0 else NAN)
        return values

    def _all_counters(self, lines: list[bytes]) -> list[float]:
        counters = self._counters(lines)
        if counters is None:  # a disk came or went, or the lines moved
            self._name(lines)
            counters = self._counters(lines) or []
        return counters

    def _counters(self, lines: list[bytes]) -> list[float] | None:
        """`_width` numbers of each known disk as the kernel tells them; None where its line is another's."""
        if len(lines) != self._lines:
            return None
        counters: list[float] = []
        for place, name in self._disks:
            fields = lines[place].split()
            if fields[2] != name:
                return None
            counters += map(float, fields[3 : 3 + self._width])
        return counters

    def _name(self, lines: list[bytes]) -> None:
        self._disks, self._lines = find_disks(lines), len(lines)
        self._width = min([len(lines[place].split()) - 3 for place, _ in self._disks], default=0)
        self._rates = Rates()
        figures = list(_FIGURES)
        for width, more in (_DISCARDS, _FLUSHES):
            figures += more if self._width >= width else ()
        self._columns = tuple(
            Series(f"system.disk.{figure}", "system", (("device", name.decode()),))
            for _, name in self._disks
            for figure in figures
        )
