"""How pages of memory come and go, from the counters of /proc/vmstat (CONTRACTS §1). All of one reading.

What explains a model whose tokens stall: weights that are evicted and read again (refaults), programs that must free
memory before they get any (direct reclaim, allocation stalls), huge pages that are not to be had.
"""

from __future__ import annotations

import os
from operator import mul
from typing import NamedTuple

from bus.series import Series
from services.collector.named_numbers import NamedNumbers
from services.collector.pinned import PinnedFile
from services.collector.rates import Rates
from services.collector.sampler import Absent, Machine

_PAGE = float(os.sysconf("SC_PAGE_SIZE"))
_KIB = 1024.0
_ZONES = ("dma", "dma32", "normal", "high", "movable", "device")
_BACKGROUND, _DIRECT = (("type", "background"),), (("type", "direct"),)
_ANONYMOUS, _FILE = (("type", "anonymous"),), (("type", "file"),)


class Flow(NamedTuple):
    """An increase a second: the metric, the counters of /proc/vmstat that add up to it, what one counts for."""

    metric: str
    counters: tuple[str, ...]
    unit: float = 1.0
    labels: tuple[tuple[str, str], ...] = ()


FLOWS = (
    Flow("system.swap.in_bytes_s", ("pswpin",), _PAGE),
    Flow("system.swap.out_bytes_s", ("pswpout",), _PAGE),
    Flow("system.swap.compressed_in_bytes_s", ("zswpin",), _PAGE),
    Flow("system.swap.compressed_out_bytes_s", ("zswpout",), _PAGE),
    Flow("system.mem.faults_s", ("pgfault",)),
    Flow("system.mem.major_faults_s", ("pgmajfault",)),
    Flow("system.mem.page_in_bytes_s", ("pgpgin",), _KIB),
    Flow("system.mem.page_out_bytes_s", ("pgpgout",), _KIB),
    Flow("system.mem.refault_bytes_s", ("workingset_refault_anon",), _PAGE, _ANONYMOUS),
    Flow("system.mem.refault_bytes_s", ("workingset_refault_file",), _PAGE, _FILE),
    Flow("system.mem.thrash_bytes_s", ("workingset_restore_anon",), _PAGE, _ANONYMOUS),
    Flow("system.mem.thrash_bytes_s", ("workingset_restore_file",), _PAGE, _FILE),
    Flow("system.mem.scan_bytes_s", ("pgscan_kswapd",), _PAGE, _BACKGROUND),
    Flow("system.mem.scan_bytes_s", ("pgscan_direct",), _PAGE, _DIRECT),
    Flow("system.mem.reclaim_bytes_s", ("pgsteal_kswapd",), _PAGE, _BACKGROUND),
    Flow("system.mem.reclaim_bytes_s", ("pgsteal_direct",), _PAGE, _DIRECT),
    Flow("system.mem.evict_bytes_s", ("pgsteal_anon",), _PAGE, _ANONYMOUS),
    Flow("system.mem.evict_bytes_s", ("pgsteal_file",), _PAGE, _FILE),
    Flow("system.mem.allocation_stalls_s", ("allocstall", *(f"allocstall_{zone}" for zone in _ZONES))),
    Flow("system.mem.reclaim_wakes_s", ("pageoutrun",)),
    Flow("system.mem.allocate_bytes_s", tuple(f"pgalloc_{zone}" for zone in _ZONES), _PAGE),
    Flow("system.mem.release_bytes_s", ("pgfree",), _PAGE),
    Flow("system.mem.activate_bytes_s", ("pgactivate",), _PAGE),
    Flow("system.mem.deactivate_bytes_s", ("pgdeactivate",), _PAGE),
    Flow("system.mem.dirty_bytes_s", ("nr_dirtied",), _PAGE),
    Flow("system.mem.write_back_bytes_s", ("nr_written",), _PAGE),
    Flow("system.mem.lock_bytes_s", ("unevictable_pgs_mlocked",), _PAGE),
    Flow("system.mem.unlock_bytes_s", ("unevictable_pgs_munlocked",), _PAGE),
    Flow("system.mem.pin_bytes_s", ("nr_foll_pin_acquired",), _PAGE),
    Flow("system.mem.migrate_bytes_s", ("pgmigrate_success",), _PAGE),
    Flow("system.mem.compaction_stalls_s", ("compact_stall",)),
    Flow("system.mem.compaction_failures_s", ("compact_fail",)),
    Flow("system.mem.huge_faults_s", ("thp_fault_alloc",)),
    Flow("system.mem.huge_fallbacks_s", ("thp_fault_fallback",)),
    Flow("system.mem.huge_collapses_s", ("thp_collapse_alloc",)),
    Flow("system.mem.huge_splits_s", ("thp_split_page",)),
    Flow("system.mem.huge_map_splits_s", ("thp_split_pmd",)),
    Flow("system.mem.cache_drops_s", ("drop_pagecache", "drop_slab")),
    Flow("system.mem.oom_kills_s", ("oom_kill",)),
)
# Between nodes of memory; all 0 where there is but one.
NODE_FLOWS = (
    Flow("system.mem.node_miss_bytes_s", ("numa_miss",), _PAGE),
    Flow("system.mem.node_remote_bytes_s", ("numa_other",), _PAGE),
    Flow("system.mem.node_hint_faults_s", ("numa_hint_faults",)),
    Flow("system.mem.node_migrate_bytes_s", ("numa_pages_migrated",), _PAGE),
)


class Paging:
    """One rate a flow. A flow whose counters the kernel does not have is left out."""

    name = "memory"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        try:
            self._vmstat = PinnedFile(machine.proc / "vmstat", 8192)
        except OSError as error:
            raise Absent(f"{machine.proc}/vmstat: {error.strerror}") from error
        words = set(self._vmstat.read().split())
        nodes = (machine.sys / "devices/system/node/node1").exists()
        columns: list[Series] = []
        units: list[float] = []
        self._sums: list[tuple[int, int]] = []
        counters: list[bytes] = []
        for flow in (*FLOWS, *NODE_FLOWS) if nodes else FLOWS:
            told = [counter.encode() for counter in flow.counters if counter.encode() in words]
            if not told:
                continue
            if len(told) > 1:
                self._sums.append((len(columns), len(told)))
            columns.append(Series(flow.metric, "system", flow.labels))
            units.append(flow.unit)
            counters += told
        self._columns, self._units = tuple(columns), units
        self._numbers = NamedNumbers(dict.fromkeys(counters, 1))
        self._rates = Rates()

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        counted = self._numbers.read(self._vmstat.read())
        for place, count in self._sums:  # each shortens the list by what it adds up: the next stands at its column
            counted[place : place + count] = [sum(counted[place : place + count])]
        return list(map(mul, self._rates.update(now_s, counted), self._units))
