"""What a tree of processes costs, read from /proc by the kernel's own account (proc(5))."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessCost:
    """One process at one instant. Counters grow from its start; children that ended and were waited for included."""

    name: str
    cpu_s: float
    written_bytes: int


@dataclass(frozen=True)
class Cost:
    """What a tree of processes used in a span."""

    seconds: float
    cpu_s: float
    written_bytes: int
    cpu_of: dict[str, float]
    """CPU seconds by name: which part of the sum is whose."""

    @property
    def cpu_percent(self) -> float:
        """Of one core."""
        return 100.0 * self.cpu_s / self.seconds

    @property
    def written_kb_s(self) -> float:
        return self.written_bytes / 1000.0 / self.seconds


def _stat(pid: int) -> list[str]:
    return (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()


def tree(roots: Iterable[int]) -> list[int]:
    """The processes and all their descendants that live now."""
    children: dict[int, list[int]] = {}
    for entry in _PROC.iterdir():
        if entry.name.isdigit():
            try:
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:
                continue  # ended meanwhile
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        found.append(pid)
        todo += children.get(pid, [])
    return found


def name_of(pid: int) -> str:
    """`services.collector` for ours, the program's name for others."""
    words = (_PROC / str(pid) / "cmdline").read_bytes().decode(errors="replace").split("\0")
    if "-m" in words:
        return words[words.index("-m") + 1]
    return Path(words[0]).name


def _cpu_s(pid: int) -> float:
    """User and system time of all threads, dead ones too. stat counts in ticks of 10 ms, but what it adds up is the
    scheduler's exact run time, so nothing is lost by rounding over a minute."""
    fields = _stat(pid)
    return sum(int(field) for field in fields[11:15]) * _TICK_S


def _written(pid: int) -> int:
    for line in (_PROC / str(pid) / "io").read_text().splitlines():
        if line.startswith("write_bytes:"):
            return int(line.split()[1])
    return 0


def snapshot(roots: Iterable[int]) -> dict[int, ProcessCost]:
    costs = {}
    for pid in tree(roots):
        try:
            costs[pid] = ProcessCost(name_of(pid), _cpu_s(pid), _written(pid))
        except OSError:
            continue  # ended meanwhile
    return costs


def watch(roots: Iterable[int], seconds: float) -> Cost:
    """Waits, and returns what the trees used meanwhile."""
    pids = list(roots)
    before, begun_s = snapshot(pids), time.monotonic()
    time.sleep(seconds)  # the span is what is measured
    after, ended_s = snapshot(pids), time.monotonic()
    return between(before, after, ended_s - begun_s)


def between(before: dict[int, ProcessCost], after: dict[int, ProcessCost], seconds: float) -> Cost:
    cpu_of: dict[str, float] = {}
    written = 0
    for pid, now in after.items():
        then = before.get(pid, ProcessCost(now.name, 0.0, 0))
        cpu_of[now.name] = cpu_of.get(now.name, 0.0) + now.cpu_s - then.cpu_s
        written += now.written_bytes - then.written_bytes
    return Cost(seconds, sum(cpu_of.values()), written, cpu_of)


def pss_mb(roots: Iterable[int]) -> dict[int, float]:
    """Proportional set size of each process of the trees, in MB (10⁶ bytes): the sum counts shared pages once."""
    return {pid: sizes["Pss"] for pid in tree(roots) if (sizes := _sizes_mb(pid))}


def private_mb(pid: int) -> float:
    """What a process shares with nobody, in MB: so much less all would hold without it. 0 where it has ended."""
    sizes = _sizes_mb(pid)
    return sizes.get("Private_Clean", 0.0) + sizes.get("Private_Dirty", 0.0)


def _sizes_mb(pid: int) -> dict[str, float]:
    """The lines of smaps_rollup; none where the process has ended."""
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text().splitlines()[1:]
    except OSError:
        return {}
    return {name.rstrip(":"): int(size) * 1024 / 1e6 for name, size, *_ in map(str.split, lines)}
