"""Memory and swap, from /proc/meminfo and /proc/vmstat (CONTRACTS §1)."""

from __future__ import annotations

import os

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import NAN, Absent, Machine

# Metric, and its line of /proc/meminfo.
_SIZES = (
    ("system.mem.available_bytes", b"MemAvailable:"),
    ("system.mem.free_bytes", b"MemFree:"),
    ("system.mem.cached_bytes", b"Cached:"),
    ("system.mem.buffers_bytes", b"Buffers:"),
    ("system.mem.dirty_bytes", b"Dirty:"),
    ("system.mem.writeback_bytes", b"Writeback:"),
    ("system.mem.slab_bytes", b"Slab:"),
    ("system.mem.shared_bytes", b"Shmem:"),
    ("system.mem.anonymous_bytes", b"AnonPages:"),
    ("system.mem.mapped_bytes", b"Mapped:"),
    ("system.mem.page_table_bytes", b"PageTables:"),
    ("system.mem.committed_bytes", b"Committed_AS:"),
)
# Metric, its line of /proc/vmstat, and whether it counts pages that become bytes.
_FLOWS = (
    ("system.swap.in_bytes_s", b"\npswpin ", True),
    ("system.swap.out_bytes_s", b"\npswpout ", True),
    ("system.mem.faults_s", b"\npgfault ", False),
    ("system.mem.major_faults_s", b"\npgmajfault ", False),
)


class Meminfo:
    """/proc/meminfo, cut into words once a reading; where a line stands is looked up only when lines moved."""

    def __init__(self, machine: Machine, names: tuple[bytes, ...]) -> None:
        self._file = _open(machine, "meminfo")
        self._names = names
        self._places: list[tuple[int, bytes]] = []
        self._cuts = 0

    def read(self) -> list[float]:
        """The lines asked for, in bytes; NaN where the kernel has none."""
        data = self._file.read()
        if self._cuts:
            words = data.split(None, self._cuts)
            found = [_bytes(words, place, name) for place, name in self._places]
            if None not in found:
                return found  # type: ignore[return-value]
        words = data.split()
        self._places = [(words.index(name) if name in words else -1, name) for name in self._names]
        # One more than the last number, so that the rest of the file stays one piece.
        self._cuts = max(place for place, _ in self._places) + 2
        return [number if (number := _bytes(words, *at)) is not None else NAN for at in self._places]


def _bytes(words: list[bytes], place: int, name: bytes) -> float | None:
    """The number after a name; NaN where the name is nowhere, None where another stands in its place."""
    if place < 0:
        return NAN
    return float(words[place + 1]) * 1024.0 if place + 1 < len(words) and words[place] == name else None


def counter(data: bytes, name: bytes) -> float:
    """A line of /proc/vmstat, e.g. `counter(data, b"\\npswpin ")`; NaN where there is none."""
    start = data.find(name)
    if start < 0:
        return NAN
    start += len(name)
    return float(data[start : data.index(b"\n", start)])


def _open(machine: Machine, name: str) -> PinnedFile:
    try:
        return PinnedFile(machine.proc / name, 8192)
    except OSError as error:
        raise Absent(f"{machine.proc}/{name}: {error.strerror}") from error


class Memory:
    """What memory is used for, and how fast pages come and go.

    mem.percent and mem.used_bytes are what is not available without swapping, as the kernel estimates it.
    """

    name = "memory"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        sizes = tuple(line for _, line in _SIZES)
        self._meminfo = Meminfo(machine, (b"MemTotal:", b"SReclaimable:", *sizes))
        self._vmstat = _open(machine, "vmstat")
        page = float(os.sysconf("SC_PAGE_SIZE"))
        self._flows = [(line, page if pages else 1.0) for _, line, pages in _FLOWS]
        self._rates = Rates()
        names = ("system.mem.percent", "system.mem.used_bytes", "system.mem.cache_bytes")
        sampled = (*names, *(metric for metric, _ in _SIZES), *(metric for metric, _, _ in _FLOWS))
        self._columns = tuple(Series(metric, "system") for metric in sampled)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        total, reclaimable, *sizes = self._meminfo.read()
        available, _, cached, buffers = sizes[:4]
        used = total - available
        vmstat = self._vmstat.read()
        flows = self._rates.update(now_s, [counter(vmstat, line) * unit for line, unit in self._flows])
        # The cache as `free` counts it: page cache, buffers and the slabs that can be given back.
        return [100.0 * used / total, used, cached + buffers + reclaimable, *sizes, *flows]


class MemoryTrend:
    """Sizes that change slowly. Swap's share is absent on a machine without swap."""

    name = "memory"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._meminfo = Meminfo(machine, (b"MemTotal:", b"SwapTotal:", b"SwapFree:"))
        sampled = ("mem.total_bytes", "swap.percent", "swap.used_bytes", "swap.total_bytes")
        self._columns = tuple(Series(f"system.{field}", "system") for field in sampled)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        total, swap, free = self._meminfo.read()
        used = swap - free
        return [total, 100.0 * used / swap if swap > 0 else NAN, used, swap]
