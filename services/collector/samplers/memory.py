"""Memory and swap: what it holds now, of /proc/meminfo (CONTRACTS §1). How pages come and go: paging.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bus.series import Series
from services.collector.named_numbers import NamedNumbers
from services.collector.pinned import PinnedFile
from services.collector.sampler import NAN, Absent, Machine

# Metric, and its line of /proc/meminfo. Of these the share in use and the cache are made.
_BASE = (
    ("system.mem.available_bytes", b"MemAvailable:"),
    ("system.mem.cached_bytes", b"Cached:"),
    ("system.mem.buffers_bytes", b"Buffers:"),
    ("system.mem.slab_reclaimable_bytes", b"SReclaimable:"),
)
# Those that kernels without a feature, or older ones, do not have are left out.
_SIZES = (
    ("system.mem.free_bytes", b"MemFree:"),
    ("system.mem.dirty_bytes", b"Dirty:"),
    ("system.mem.writeback_bytes", b"Writeback:"),
    ("system.mem.slab_bytes", b"Slab:"),
    ("system.mem.shared_bytes", b"Shmem:"),
    ("system.mem.anonymous_bytes", b"AnonPages:"),
    ("system.mem.mapped_bytes", b"Mapped:"),
    ("system.mem.page_table_bytes", b"PageTables:"),
    ("system.mem.committed_bytes", b"Committed_AS:"),
    ("system.mem.active_anonymous_bytes", b"Active(anon):"),
    ("system.mem.inactive_anonymous_bytes", b"Inactive(anon):"),
    ("system.mem.active_file_bytes", b"Active(file):"),
    ("system.mem.inactive_file_bytes", b"Inactive(file):"),
    ("system.mem.unevictable_bytes", b"Unevictable:"),
    ("system.mem.locked_bytes", b"Mlocked:"),
    ("system.mem.anonymous_huge_bytes", b"AnonHugePages:"),
    ("system.mem.file_huge_bytes", b"FileHugePages:"),
    ("system.swap.cached_bytes", b"SwapCached:"),
)
# Those that change slowly, or with a setting only.
_SLOW_SIZES = (
    ("system.mem.total_bytes", b"MemTotal:"),
    ("system.mem.kernel_stack_bytes", b"KernelStack:"),
    ("system.mem.per_cpu_bytes", b"Percpu:"),
    ("system.mem.slab_unreclaimable_bytes", b"SUnreclaim:"),
    ("system.mem.vmalloc_bytes", b"VmallocUsed:"),
    ("system.mem.shared_huge_bytes", b"ShmemHugePages:"),
    ("system.mem.reserved_huge_bytes", b"Hugetlb:"),
    ("system.mem.balloon_bytes", b"Balloon:"),
    ("system.mem.commit_limit_bytes", b"CommitLimit:"),
    ("system.swap.compressed_bytes", b"Zswap:"),
    ("system.swap.before_compression_bytes", b"Zswapped:"),
)
_SWAP = (b"SwapTotal:", b"SwapFree:")
_KIB = 1024.0


class Meminfo:
    """Lines of /proc/meminfo, in bytes."""

    def __init__(self, machine: Machine, needed: Sequence[bytes], sizes: Iterable[tuple[str, bytes]]) -> None:
        """`needed` lines come first; of `sizes` (metric, line) those follow that the kernel tells."""
        try:
            self._file = PinnedFile(machine.proc / "meminfo", 8192)
        except OSError as error:
            raise Absent(f"{machine.proc}/meminfo: {error.strerror}") from error
        lines = {line.split(None, 1)[0] for line in self._file.read().splitlines()}
        told = [(metric, line) for metric, line in sizes if line in lines]
        self.columns = tuple(Series(metric, "system") for metric, _ in told)
        """Of the sizes that are told."""
        self._numbers = NamedNumbers(dict.fromkeys((*needed, *(line for _, line in told)), 1))

    def read(self) -> list[float]:
        """The needed, then one size a column; NaN for a line that is not there."""
        return [kib * _KIB for kib in self._numbers.read(self._file.read())]


class Memory:
    """What memory is used for.

    mem.percent and mem.used_bytes are what is not available without swapping, as the kernel estimates it.
    """

    name = "memory"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        self._meminfo = Meminfo(machine, (b"MemTotal:", *(line for _, line in _BASE)), _SIZES)
        names = ("system.mem.percent", "system.mem.used_bytes", "system.mem.cache_bytes")
        sampled = (*names, *(metric for metric, _ in _BASE))
        self._columns = (*(Series(metric, "system") for metric in sampled), *self._meminfo.columns)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        total, *sizes = self._meminfo.read()
        available, cached, buffers, reclaimable = sizes[: len(_BASE)]
        used = total - available
        # The cache as `free` counts it: page cache, buffers and the slabs that can be given back.
        return [100.0 * used / total, used, cached + buffers + reclaimable, *sizes]


class MemoryTrend:
    """Sizes that change slowly. Swap's share is absent on a machine without swap."""

    name = "memory"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._meminfo = Meminfo(machine, _SWAP, _SLOW_SIZES)
        sampled = ("swap.percent", "swap.used_bytes", "swap.total_bytes")
        self._columns = (*(Series(f"system.{field}", "system") for field in sampled), *self._meminfo.columns)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        swap, free, *sizes = self._meminfo.read()
        used = swap - free
        return [100.0 * used / swap if swap > 0 else NAN, used, swap, *sizes]
