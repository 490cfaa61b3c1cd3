"""Systems without /proc (macOS, BSD): the same series by psutil. Dearer, so Linux has its own samplers.

On Linux these run in the tests, as the independent reader that the others are held against.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from bus.series import Series
from services.collector.rates import Rates, Trail
from services.collector.sampler import NAN, Absent, Factory, Machine
from services.collector.samplers.cpu import AVERAGE_S
from services.collector.samplers.network import INNER


def _psutil() -> Any:
    import psutil  # 3 MB that a Linux collector does without

    return psutil


class PortableCpu:
    """cpu.percent and cpu.core_percent."""

    name = "cpu"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        self._psutil = _psutil()
        cores = range(self._psutil.cpu_count() or 1)
        self._columns = (
            Series("system.cpu.percent", "system"),
            *(Series("system.cpu.core_percent", "system", (("core", str(core)),)) for core in cores),
        )
        self._trail = Trail(AVERAGE_S)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        reading: list[float] = []
        for times in (self._psutil.cpu_times(), *self._psutil.cpu_times(percpu=True)):
            # Linux counts guests in user and nice as well.
            total = sum(times) - getattr(times, "guest", 0.0) - getattr(times, "guest_nice", 0.0)
            reading += (total - times.idle - getattr(times, "iowait", 0.0), total)
        found = self._trail.update(now_s, reading)
        if found is None:
            return [NAN] * len(self._columns)
        pairs = range(0, len(reading), 2)
        spans = [(reading[i] - found[1][i], reading[i + 1] - found[1][i + 1]) for i in pairs]
        return [busy_percent(busy, total) for busy, total in spans]


def busy_percent(busy_s: float, total_s: float) -> float:
    """Percent. psutil tells floats: of an idle core the rest may be a hair below 0, less than half a tick of 10 ms."""
    return min(100.0 * max(busy_s, 0.0) / total_s, 100.0) if total_s > 0 and busy_s > -0.005 else NAN


class PortableMemory:
    """mem.* and swap.*, as far as the system tells them."""

    name = "memory"
    group = "resource"

    def __init__(self, machine: Machine) -> None:
        self._psutil = _psutil()
        fields = ("mem.percent", "mem.used_bytes", "mem.available_bytes", "mem.total_bytes")
        swap = ("swap.percent", "swap.used_bytes", "swap.total_bytes")
        self._columns = tuple(Series(f"system.{field}", "system") for field in (*fields, *swap))

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        memory, swap = self._psutil.virtual_memory(), self._psutil.swap_memory()
        used = memory.total - memory.available
        share = 100.0 * swap.used / swap.total if swap.total else NAN
        values = (100.0 * used / memory.total, used, memory.available, memory.total, share, swap.used, swap.total)
        return [float(value) for value in values]


class PortableLoad:
    """load1, load5, load15 and the number of processes."""

    name = "load"
    group = "trend"

    def __init__(self, machine: Machine) -> None:
        self._psutil = _psutil()
        fields = ("load1", "load5", "load15", "processes")
        self._columns = tuple(Series(f"system.{field}", "system") for field in fields)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        return [*self._psutil.getloadavg(), float(len(self._psutil.pids()))]


class PortableCounters:
    """Counters by device as rates: of disks or of interfaces."""

    group = "resource"

    def __init__(self, name: str, metrics: tuple[str, ...], label: str, read: Callable[[], dict[str, Any]]) -> None:
        self.name = name
        self._metrics = metrics
        self._label = label
        self._read = read
        self._devices: tuple[str, ...] = ()
        self._columns: tuple[Series, ...] = ()
        self._rates = Rates()

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        found = self._read()
        if tuple(found) != self._devices:
            self._devices, self._rates = tuple(found), Rates()
            self._columns = tuple(
                Series(metric, "system", ((self._label, device),)) for device in found for metric in self._metrics
            )
        return self._rates.update(now_s, [float(number) for numbers in found.values() for number in numbers])


def _disk_counters(psutil: Any) -> dict[str, Any]:
    counters = psutil.disk_io_counters(perdisk=True) or {}
    return {name: (one.read_bytes, one.write_bytes) for name, one in sorted(counters.items())}


def _net_counters(psutil: Any) -> dict[str, Any]:
    counters = psutil.net_io_counters(pernic=True) or {}
    return {
        name: (one.bytes_recv, one.bytes_sent)
        for name, one in sorted(counters.items())
        if not name.startswith("lo") and not INNER.fullmatch(name)
    }


def portable_disk(machine: Machine) -> PortableCounters:
    """disk.read_bytes_s and disk.write_bytes_s."""
    read = partial(_disk_counters, _psutil())
    if not read():
        raise Absent("the system tells of no disk")
    return PortableCounters("disk", ("system.disk.read_bytes_s", "system.disk.write_bytes_s"), "device", read)


def portable_network(machine: Machine) -> PortableCounters:
    """net.rx_bytes_s and net.tx_bytes_s."""
    metrics = ("system.net.rx_bytes_s", "system.net.tx_bytes_s")
    return PortableCounters("network", metrics, "iface", partial(_net_counters, _psutil()))


PORTABLE: dict[str, tuple[Factory, ...]] = {
    "cpu": (PortableCpu,),
    "memory": (PortableMemory,),
    "load": (PortableLoad,),
    "disk": (portable_disk,),
    "network": (portable_network,),
}
"""In place of the Linux samplers of these subjects, where there is no /proc."""
