"""Processor: share in use over all cores, of each core, and by state; what it is switched between (CONTRACTS §1)."""

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
SHOWN = tuple(state for state in _STATES if state != "idle")
# Seven columns a core: beyond these the table would be all of one machine's cores, and cost as much.
MOST_CORES_BY_STATE = 16
# Metric, and the line of /proc/stat whose first number it is.
_COUNTERS = (
    ("system.cpu.interrupts_s", b"\nintr "),
    ("system.cpu.softirqs_s", b"\nsoftirq "),
    ("system.cpu.context_switches_s", b"\nctxt "),
    ("system.forks_s", b"\nprocesses "),
)
_LEVELS = (("system.processes_running", b"\nprocs_running "), ("system.processes_blocked", b"\nprocs_blocked "))
_TICK_US = 10_000  # USER_HZ is 100 on every Linux


def parse_stat(data: bytes) -> list[list[int]]:
    """Jiffies by `_STATES` of each cpu line of /proc/stat: all cores together first, then one a core.

    user and nice already hold what guests used.
    """
    end = data.find(b"\nintr")
    return [list(map(int, line.split(None, 9)[1:9])) for line in data[:end].split(b"\n")]


def core_names(data: bytes) -> list[str]:
    """The numbers of the cores in /proc/stat, in its order."""
    lines = data[: data.find(b"\nintr")].split(b"\n")[1:]
    return [line.split(None, 1)[0].removeprefix(b"cpu").decode() for line in lines]


def counter(data: bytes, name: bytes) -> float:
    """The first number of a line, e.g. `counter(data, b"\\nctxt ")`; NaN where there is no such line."""
    start = data.find(name)
    if start < 0:
        return NAN
    start += len(name)
    return float(data[start : start + 24].split(None, 1)[0])


def _share(busy: float, total: float) -> float:
    return min(100.0 * busy / total, 100.0) if total > 0 and busy >= 0 else NAN


class Cpu:
    """cpu.percent, shares of each core and by state, and what the kernel counts: all of one reading of /proc/stat.

    Each is averaged over at least 100 ms.
    """

    name = "cpu"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        self._stat = _open_stat(machine)
        self._usage = _root_usage(machine.sys)
        data = self._stat.read()
        self._usage_holds_steal = self._usage is not None and _holds_steal(self._usage, parse_stat(data)[0])
        self._columns: tuple[Series, ...] = ()
        self._lines = 0
        self._name(core_names(data))
        self._trail = Trail(AVERAGE_S)

    def _name(self, cores: list[str]) -> None:
        self._lines = 1 + len(cores)
        self._states_of = self._lines if len(cores) <= MOST_CORES_BY_STATE else 1
        core_labels = [("core", core) for core in cores]
        columns = [Series("system.cpu.percent", "system")]
        columns += [Series("system.cpu.core_percent", "system", (core,)) for core in core_labels]
        columns += [Series("system.cpu.state_percent", "system", (("state", state),)) for state in SHOWN]
        for core in core_labels[: self._states_of - 1]:
            columns += [Series("system.cpu.core_state_percent", "system", (core, ("state", state))) for state in SHOWN]
        columns += [Series(metric, "system") for metric, _ in (*_COUNTERS, *_LEVELS)]
        self._columns = tuple(columns)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        data = self._stat.read()
        times = parse_stat(data)
        if len(times) != self._lines:  # a core went off or came on
            self._name(core_names(data))
        reading: list[float] = [counter(data, name) for _, name in _COUNTERS]
        if self._usage is not None:
            steal_us = 0 if self._usage_holds_steal else times[0][7] * _TICK_US
            reading.append(usage_us(self._usage.read()) + steal_us)
        for row in times:
            reading += row
        levels = [counter(data, name) for _, name in _LEVELS]
        found = self._trail.update(now_s, reading)
        if found is None:
            return [NAN] * (len(self._columns) - len(levels)) + levels
        span_s, before = found
        changes = [new - old for new, old in zip(reading, before, strict=True)]
        at = len(reading) - 8 * len(times)
        busy: list[float] = []
        states: list[float] = []
        for line in range(len(times)):
            spent = changes[at : at + 8]
            at += 8
            total = sum(spent)
            # In use is all but idle and iowait; stolen time is in use, by others.
            busy.append(_share(total - spent[3] - spent[4], total))
            if line < self._states_of:
                del spent[3]
                # A state whose count went back (the kernel's iowait does) is absent for that span.
                states += [min(100.0 * time / total, 100.0) if time >= 0 < total else NAN for time in spent]
        if self._usage is not None:  # µs instead of 10 ms steps
            busy[0] = _share(changes[len(_COUNTERS)], span_s * 1e6 * (len(times) - 1))
        rates = [change / span_s if change >= 0 else NAN for change in changes[: len(_COUNTERS)]]
        return [*busy, *states, *rates, *levels]


class CpuClock:
    """cpu.frequency_mhz: the mean clock of the cores, once a second."""

    name = "cpu"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._clocks = _clock_files(machine.sys)
        if not self._clocks:
            raise Absent("the kernel does not tell the clock of the processor", "Virtual machines have none")
        self._columns = (Series("system.cpu.frequency_mhz", "system"),)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        return [sum(file.number() for file in self._clocks) / len(self._clocks) / 1000.0]


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
