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


def parse_stat(data: bytes) -> list[list[int]]:
    """Jiffies by `_STATES` of each cpu line of /proc/stat: all cores together first, then one a core.

    user and nice already hold what guests used.
    """
    end = data.find(b"\nintr")
    return [[int(field) for field in line.split(None, 9)[1:9]] for line in data[:end].split(b"\n")]


def core_names(data: bytes) -> list[str]:
    """The numbers of the cores in /proc/stat, in its order."""
    lines = data[: data.find(b"\nintr")].split(b"\n")[1:]
    return [line.split(None, 1)[0].removeprefix(b"cpu").decode() for line in lines]


def _share(busy: float, total: float) -> float:
    return min(100.0 * busy / total, 100.0) if total > 0 and busy >= 0 else NAN


class Cpu:
    """cpu.percent and cpu.core_percent, each averaged over at least 100 ms."""

    name = "cpu"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        self._stat = _open_stat(machine)
        self._usage = _root_usage(machine.sys)
        data = self._stat.read()
        self._usage_holds_steal = self._usage is not None and _holds_steal(self._usage, parse_stat(data)[0])
        self._columns: tuple[Series, ...] = ()
        self._name(core_names(data))
        self._trail = Trail(AVERAGE_S)

    def _name(self, cores: list[str]) -> None:
        busy = (Series("system.cpu.core_percent", "system", (("core", core),)) for core in cores)
        self._columns = (Series("system.cpu.percent", "system"), *busy)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        data = self._stat.read()
        times = parse_stat(data)
        if len(times) != len(self._columns):  # a core went off or came on
            self._name(core_names(data))
        # In use is all but idle and iowait; stolen time is in use, by others.
        reading: list[float] = []
        for row in times:
            total = sum(row)
            reading += (total - row[3] - row[4], total)
        if self._usage is not None:
            steal_us = 0 if self._usage_holds_steal else times[0][7] * _TICK_US
            reading.append(usage_us(self._usage.read()) + steal_us)
        found = self._trail.update(now_s, reading)
        if found is None:
            return [NAN] * len(times)
        span_s, before = found
        values = []
        for i in range(0, 2 * len(times), 2):
            used, passed = reading[i] - before[i], reading[i + 1] - before[i + 1]
            values.append(min(100.0 * used / passed, 100.0) if passed > 0 and used >= 0 else NAN)
        if self._usage is not None:  # µs instead of 10 ms steps
            values[0] = _share(reading[-1] - before[-1], span_s * 1e6 * (len(times) - 1))
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
        times = parse_stat(self._stat.read())[0]
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
