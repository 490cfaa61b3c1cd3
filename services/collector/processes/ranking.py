"""Two snapshots compared, added up by name, ranked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import nan

from services.collector.processes.registry import Counters, Process, Snapshot

TOP = 10
MEASURES = (
    "cpu_percent", "rss_bytes", "pss_bytes", "io_read_bytes_s", "io_write_bytes_s", "gpu_util_percent", "vram_bytes",
)  # fmt: skip
_NEW = Counters(0, 0, 0, 0)


@dataclass(slots=True)
class Usage:
    """What all processes of one name use. Rates are over the span between two snapshots; NaN is absent."""

    name: str
    own: bool = False
    members: list[Process] = field(default_factory=list)
    unit: str = ""
    cpu_percent: float = 0.0
    rss_bytes: float = 0.0
    pss_bytes: float = nan
    io_read_bytes_s: float = nan
    io_write_bytes_s: float = nan
    gpu_util_percent: float = nan
    vram_bytes: float = nan


def add(total: float, more: float) -> float:
    """A sum in which absent counts as nothing, unless all is absent."""
    return more if total != total else total if more != more else total + more


def compare(
    old: Snapshot,
    new: Snapshot,
    own: Mapping[int, str],
    gpu: Mapping[int, tuple[float, float]],
    page_bytes: int,
) -> list[Usage]:
    """Usage by name between two snapshots, each process over the time between its own two readings.

    Processes that began in between count from their start.
    `own` gives our services' names by pid, `gpu` (utilisation in percent, bytes of memory) by pid.
    What ended in between is not seen: its counters are gone with it.
    """
    sums: dict[str, list[float]] = {}
    by_name: dict[str, Usage] = {}
    before_of = old.counters.get
    for process, now in new.counters.items():
        name = process.name
        if process.pid in own:
            name = f"wfmon {own[process.pid]}"
        usage = by_name.get(name)
        if usage is None:
            usage = by_name[name] = Usage(name, process.pid in own)
            sums[name] = [0.0] * 5
        usage.members.append(process)
        total = sums[name]
        total[0] += now.rss_pages
        readable = now.read_bytes >= 0
        total[1] += readable
        before = before_of(process, _NEW)
        if now is not before:  # most did nothing: their counters are the same object
            # What stood still was read before the old snapshot: its rate is over its own span.
            begun_s = old.read_s.get(process, old.time_s)
            span_s = max(new.read_s.get(process, new.time_s) - begun_s, 1e-9)
            total[2] += (now.ticks - before.ticks) / span_s
            if readable:
                total[3] += max(now.read_bytes - before.read_bytes, 0) / span_s
                total[4] += max(now.write_bytes - before.write_bytes, 0) / span_s
        if process.pid in gpu:
            util, vram = gpu[process.pid]
            usage.gpu_util_percent = add(usage.gpu_util_percent, util)
            usage.vram_bytes = add(usage.vram_bytes, vram)
    for name, usage in by_name.items():
        pages, some_readable, ticks_s, read_s, written_s = sums[name]
        usage.rss_bytes = pages * page_bytes
        usage.cpu_percent = ticks_s  # 10 ms in a second is 1 %
        if some_readable:
            usage.io_read_bytes_s, usage.io_write_bytes_s = read_s, written_s
    return list(by_name.values())


def top(usages: Iterable[Usage], count: int = TOP) -> list[Usage]:
    """The first `count` by each measure, each once; a value of 0 or absent puts nobody on the list."""
    usages = list(usages)
    chosen: dict[str, Usage] = {}
    for measure in MEASURES:
        some = [usage for usage in usages if getattr(usage, measure) > 0]
        some.sort(key=lambda usage: (-getattr(usage, measure), usage.name))
        for usage in some[:count]:
            chosen.setdefault(usage.name, usage)
    return sorted(chosen.values(), key=lambda usage: (-usage.cpu_percent, -usage.rss_bytes, usage.name))
