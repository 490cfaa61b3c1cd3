"""Two snapshots compared, added up by name, ranked. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from services.collector.processes.registry import Counters, Process, Snapshot
from services.collector.sampler import NAN

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
    pss_bytes: float = NAN
    io_read_bytes_s: float = NAN
    io_write_bytes_s: float = NAN
    gpu_util_percent: float = NAN
    vram_bytes: float = NAN


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
    """Usage by name between two snapshots. Processes that began in between count from their start.

    `own` gives our services' names by pid, `gpu` (utilisation in percent, bytes of memory) by pid.
    What ended in between is not seen: its counters are gone with it.
    """
    span_s = new.time_s - old.time_s
    by_name: dict[str, Usage] = {}
    for process, now in new.counters.items():
        before = old.counters.get(process, _NEW)
        service = own.get(process.pid)
        name = process.name if service is None else f"wfmon {service}"
        usage = by_name.get(name)
        if usage is None:
            usage = by_name[name] = Usage(name, service is not None)
        usage.members.append(process)
        usage.rss_bytes += now.rss_pages * page_bytes
        if now is not before and span_s > 0:
            usage.cpu_percent += (now.ticks - before.ticks) / span_s  # 10 ms in a second is 1 %
        if now.read_bytes >= 0:
            read, written = max(now.read_bytes - before.read_bytes, 0), max(now.write_bytes - before.write_bytes, 0)
            if span_s > 0:
                usage.io_read_bytes_s = add(usage.io_read_bytes_s, read / span_s)
                usage.io_write_bytes_s = add(usage.io_write_bytes_s, written / span_s)
        if process.pid in gpu:
            util, vram = gpu[process.pid]
            usage.gpu_util_percent = add(usage.gpu_util_percent, util)
            usage.vram_bytes = add(usage.vram_bytes, vram)
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
