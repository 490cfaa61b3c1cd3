"""Processor: share in use over all cores, of each core, and by state; what it is switched between (CONTRACTS §1)."""

from __future__ import annotations

from collections.abc import Sequence
from operator import sub
from pathlib import Path

from bus.series import Series
from services.collector.named_numbers import NamedNumbers
from services.collector.pinned import PinnedFile
from services.collector.rates import Trail
from services.collector.sampler import NAN, Absent, Machine

# /proc/stat counts in 10 ms: shorter than this, a true 25 % swings between 0 and 60.
AVERAGE_S = 0.1
_STATES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_IDLE, _IOWAIT, _STEAL = (_STATES.index(state) for state in ("idle", "iowait", "steal"))
SHOWN = tuple(state for state in _STATES if state != "idle")
# Seven columns a core: beyond these the table would be all of one machine's cores, and cost as much.
MOST_CORES_BY_STATE = 16
# Metric, and the name in /proc/stat before its number.
_INTERRUPTS = ("system.cpu.interrupts_s", b"intr")
_COUNTERS = (
    ("system.cpu.context_switches_s", b"ctxt"),
    ("system.forks_s", b"processes"),
    ("system.cpu.softirqs_s", b"softirq"),
)
_LEVELS = (("system.processes_running", b"procs_running"), ("system.processes_blocked", b"procs_blocked"))
# What follows the sum in the line "softirq", in the kernel's order; it has added none since 2009.
SOFT_KINDS = ("hi", "timer", "net_tx", "net_rx", "block", "irq_poll", "tasklet", "sched", "hrtimer", "rcu")
_TICK_US = 10_000  # USER_HZ is 100 on every Linux


def core_numbers(names: Sequence[bytes]) -> list[str]:
    """The numbers of the cores, from the names of the lines of /proc/stat; the first line is all of them together."""
    return [name.removeprefix(b"cpu").decode() for name in names[1:]]


def _share(busy: float, total: float) -> float:
    return min(100.0 * busy / total, 100.0) if total > 0 and busy >= 0 else NAN


class Times:
    """Jiffies by `_STATES` of each line of cores of /proc/stat: all together first, then one a core.

    user and nice already hold what guests used.
    """

    def __init__(self) -> None:
        self.names: list[bytes] = []
        """Of the lines at the last reading: b"cpu", b"cpu0" … The same list while no core went or came."""
        self.width = 0
        """Numbers a line; `_STATES` are the first of them."""

    def read(self, lines: bytes) -> list[float]:
        """The numbers of all lines, flat, `width` of each."""
        words = lines.split()
        if not self.width or words[:: self.width + 1] != self.names:
            self.names = [line.split(None, 1)[0] for line in lines.split(b"\n")]
            self.width = len(words) // len(self.names) - 1
        del words[:: self.width + 1]
        return list(map(float, words))


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
        soft = data[data.rfind(b"\nsoftirq ") :].split()
        self._kinds = SOFT_KINDS if len(soft) == 2 + len(SOFT_KINDS) else ()
        counts = dict.fromkeys((name for _, name in (*_LEVELS, *_COUNTERS)), 1) | {b"softirq": 1 + len(self._kinds)}
        self._named = NamedNumbers(counts)
        self._times = Times()
        times = self._times.read(data[: data.find(b"\nintr ")])
        self._usage_holds_steal = self._usage is not None and _holds_steal(self._usage, times)
        self._names: list[bytes] = []
        self._columns: tuple[Series, ...] = ()
        self._states_of = 0
        self._name()
        self._trail = Trail(AVERAGE_S)

    def _name(self) -> None:
        self._names = self._times.names
        cores = [("core", core) for core in core_numbers(self._names)]
        self._states_of = len(self._names) if len(cores) <= MOST_CORES_BY_STATE else 1
        columns = [Series(metric, "system") for metric, _ in _LEVELS]
        columns += [Series(metric, "system") for metric, _ in (_INTERRUPTS, *_COUNTERS)]
        columns += [Series("system.cpu.softirq_kind_s", "system", (("type", kind),)) for kind in self._kinds]
        columns += [Series("system.cpu.percent", "system")]
        columns += [Series("system.cpu.core_percent", "system", (core,)) for core in cores]
        columns += [Series("system.cpu.state_percent", "system", (("state", state),)) for state in SHOWN]
        for core in cores[: self._states_of - 1]:
            columns += [Series("system.cpu.core_state_percent", "system", (core, ("state", state))) for state in SHOWN]
        self._columns = tuple(columns)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        data = self._stat.read()
        cores_end = data.find(b"\nintr ")
        times = self._times.read(data[:cores_end])
        if self._times.names is not self._names:  # a core went off or came on
            self._name()
            self._trail = Trail(AVERAGE_S)
        start = cores_end + 6
        counters_from = data.index(b"\n", start)  # past a count for each of some hundred sources, most of them 0
        levels_and_counters = self._named.read(data[counters_from:])
        levels = levels_and_counters[: len(_LEVELS)]
        interrupts = float(data[start : start + 24].split(None, 1)[0])
        counters = [interrupts, *levels_and_counters[len(_LEVELS) :]]
        if self._usage is not None:
            steal_us = 0 if self._usage_holds_steal else times[_STEAL] * _TICK_US
            times.append(usage_us(self._usage.read()) + steal_us)
        found = self._trail.update(now_s, counters + times)
        if found is None:
            return levels + [NAN] * (len(self._columns) - len(levels))
        span_s, before = found
        rates = [(new - old) / span_s if new >= old else NAN for new, old in zip(counters, before, strict=False)]
        changes = list(map(sub, times, before[len(counters) :]))
        busy, states = self._shares(changes)
        if self._usage is not None:  # µs instead of 10 ms steps
            busy[0] = _share(changes[-1], span_s * 1e6 * (len(self._names) - 1))
        return levels + rates + busy + states

    def _shares(self, changes: list[float]) -> tuple[list[float], list[float]]:
        """(share in use of each line of cores, shares of the lines' states in the order of the columns)."""
        busy: list[float] = []
        states: list[float] = []
        width, count = self._times.width, len(_STATES)
        for line in range(len(self._names)):
            spent = changes[line * width : line * width + count]
            total = sum(spent)
            # In use is all but idle and iowait; stolen time is in use, by others.
            busy.append(_share(total - spent[_IDLE] - spent[_IOWAIT], total))
            if line < self._states_of:
                del spent[_IDLE]
                if total > 0 <= min(spent):
                    percent = 100.0 / total
                    states += [time * percent for time in spent]
                else:  # a state whose count went back (the kernel's iowait does) is absent for that span
                    states += [min(100.0 * time / total, 100.0) if time >= 0 < total else NAN for time in spent]
        return busy, states


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


def _holds_steal(usage: PinnedFile, times: Sequence[float]) -> bool:
    """Kernels differ in whether the root's usage counts stolen time: the nearer sum tells."""
    user, nice, system, _idle, _iowait, irq, softirq, steal = times[: len(_STATES)]
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
