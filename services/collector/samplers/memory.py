"""Memory and swap, from /proc/meminfo and /proc/vmstat (CONTRACTS §1)."""

from __future__ import annotations

import os

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import NAN, Absent, Machine


def field(data: bytes, name: bytes) -> float:
    """A line of /proc/meminfo in bytes, e.g. `field(data, b"MemTotal:")`; NaN where there is none."""
    start = data.find(name)
    if start < 0 or (start > 0 and data[start - 1] != 10):
        return NAN
    start += len(name)
    return float(data[start : data.index(b"kB", start)]) * 1024.0


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
    """mem.percent and mem.used_bytes: what is not available without swapping, as the kernel estimates it."""

    name = "memory"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        self._meminfo = _open(machine, "meminfo")
        self._columns = (Series("system.mem.percent", "system"), Series("system.mem.used_bytes", "system"))

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        data = self._meminfo.read()
        total = field(data, b"MemTotal:")
        used = total - field(data, b"MemAvailable:")
        return [100.0 * used / total, used]


class MemoryTrend:
    """Sizes that change slowly, and swap. Swap's share is absent on a machine without swap."""

    name = "memory"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._meminfo = _open(machine, "meminfo")
        self._vmstat = _open(machine, "vmstat")
        self._page = os.sysconf("SC_PAGE_SIZE")
        self._rates = Rates()
        self._columns = tuple(
            Series(f"system.{field}", "system")
            for field in (
                "mem.available_bytes", "mem.total_bytes", "mem.cache_bytes",
                "swap.percent", "swap.used_bytes", "swap.total_bytes", "swap.in_bytes_s", "swap.out_bytes_s",
            )
        )  # fmt: skip

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        data = self._meminfo.read()
        swap = field(data, b"SwapTotal:")
        used = swap - field(data, b"SwapFree:")
        # As `free` counts it: page cache, buffers and the slabs that can be given back.
        cache = sum(field(data, name) for name in (b"Cached:", b"Buffers:", b"SReclaimable:"))
        vmstat = self._vmstat.read()
        pages = (counter(vmstat, b"\npswpin "), counter(vmstat, b"\npswpout "))
        flows = self._rates.update(now_s, [number * self._page for number in pages])
        return [
            field(data, b"MemAvailable:"),
            field(data, b"MemTotal:"),
            cache,
            100.0 * used / swap if swap > 0 else NAN,
            used,
            swap,
            *flows,
        ]
