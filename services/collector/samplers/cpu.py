"""Processor: share in use over all cores, of each core, and by state (CONTRACTS §1, DESIGN §5.1)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bus.series import Series
from services.collector.pinned import PinnedFile
from services.collector.rates import Trail
from services.collector.sampler import NAN, Absent, Machine

# /proc/stat counts in 10 ms: shorter than this, a true 25 % swings between 0 and 60.
AVERAGE_S = 0.1
_STATES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_TICK_US = 10_000  # USER_HZ is 100 on every Linux


def parse_stat(data: bytes) -> tuple[list[str], list[list[int]]]:
    """Names ("cpu", "cpu0" …) and jiffies by `_STATES` of /proc/stat's first lines.

    user and nice already hold what guests used.
    """
    names: list[str] = []
    times: list[list[int]] = []
    for line in data[: data.find(b"\nintr")].split(b"\n"):
        name, *fields = line.split()
        names.append(name.decode())
        times.append([int(field) for field in fields[:8]])
    return names, times


def busy_and_total(times: Sequence[int]) -> tuple[int, int]:
    """Jiffies in use (all but idle and iowait; stolen time is in use, by others) and all jiffies."""
    total = sum(times)
    return total - times[3] - times[4], total


def _share(busy: float, total: float) -> float:
    return min(100.0 * busy / total, 100.0) if total > 0 and busy >= 0 else NAN


class Cpu:
    """cpu.percent and cpu.core_percent, each averaged over at least 100 ms."""

    name = "cpu"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        self._stat = _open_stat(machine)
        self._usage = _root_usage(machine.sys)
        names, times = parse_stat(self._stat.read())
        self._usage_holds_steal = self._usage is not None and _holds_steal(self._usage, times[0])
        self._columns: tuple[Series, ...] = ()
        self._names: list[str] = []
        self._name(names)
        self._trail = Trail(AVERAGE_S)

    def _name(self, names: list[str]) -> None:
        self._names = names
        cores = (Series("system.cpu.core_percent", "system", (("core", name[3:]),)) for name in names[1:])
        self._columns = (Series("system.cpu.percent", "system"), *cores)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        names, times = parse_stat(self._stat.read())
        if names != self._names:  # a core went off or came on
            self._name(names)
        reading: list[float] = [number for row in times for number in busy_and_total(row)]
        if self._usage is not None:
            reading.append(usage_us(self._usage.read()) + (0 if self._usage_holds_steal else times[0][7] * _TICK_US))
        found = self._trail.update(now_s, reading)
        if found is None:
            return [NAN] * len(names)
        span_s, before = found
        pairs = range(0, 2 * len(names), 2)
        values = [_share(reading[i] - before[i], reading[i + 1] - before[i + 1]) for i in pairs]
        if self._usage is not None:  # µs instead of 10 ms steps
            values[0] = _share(reading[-1] - before[-1], span_s * 1e6 * (len(names) - 1))
        return values


class CpuStates:
    """cpu.state_percent by state, once a second, and the mean clock."""

    name = "cpu"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._stat = _open_stat(machine)
        self._clocks = _clock_files(machine.sys)
        shown = ("user", "nice", "system", "iowait", "irq", "steal")
        states = tuple(Series("system.cpu.state_percent", "system", (("state", state),)) for state in shown)
        clock = (Series("system.cpu.frequency_mhz", "system"),) if self._clocks else ()
        self._columns = states + clock
        self._trail = Trail(AVERAGE_S)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        times = parse_stat(self._stat.read())[1][0]
        found = self._trail.update(now_s, times)
        if found is None:
            values = [NAN] * 6
        else:
            user, nice, system, idle, iowait, irq, softirq, steal = (
                new - old for new, old in zip(times, found[1], strict=True)
            )
            total = user + nice + system + idle + iowait + irq + softirq + steal
            values = [_share(t, total) for t in (user, nice, system, iowait, irq + softirq, steal)]
        if self._clocks:
            values.append(sum(file.number() for file in self._clocks) / len(self._clocks) / 1000.0)
        return values


def _open_stat(machine: Machine) -> PinnedFile:
    try:
        return PinnedFile(machine.proc / "stat", 16384)
    except OSError as error:
        raise Absent(f"{machine.proc}/stat: {error.strerror}") from error


def usage_us(data: bytes) -> int:
    """`usage_usec` of a cgroup's cpu.stat, in µs."""
    return int(data[data.index(b"usage_usec ") + 11 : data.index(b"\n")])


def _root_usage(sys: Path) -> PinnedFile | None:
    """cpu.stat of the machine's own root cgroup; None in a container, whose root counts only itself."""
    for folder in (sys / "fs/cgroup", sys / "fs/cgroup/unified"):
        if (folder / "cgroup.controllers").exists() and not (folder / "cgroup.events").exists():
            try:
                return PinnedFile(folder / "cpu.stat")
            except OSError:
                continue
    return None


def _holds_steal(usage: PinnedFile, times: Sequence[int]) -> bool:
    """Kernels differ in whether the root's usage counts stolen time: the nearer sum tells."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = times
    without = (user + nice + system + irq + softirq) * _TICK_US
    measured = usage_us(usage.read())
    return abs(measured - without - steal * _TICK_US) < abs(measured - without)


def _clock_files(sys: Path) -> list[PinnedFile]:
    files = []
    for path in sorted((sys / "devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_cur_freq")):
        try:
            file = PinnedFile(path)
            file.number()
        except (OSError, ValueError):
            continue
        files.append(file)
    return files
