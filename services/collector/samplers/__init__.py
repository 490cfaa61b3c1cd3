"""All samplers, on one page. A new one is a file beside this and a line here (docs/samplers.md)."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata

from services.collector.guard import Warn
from services.collector.sampler import Factory
from services.collector.samplers.battery import Battery
from services.collector.samplers.cpu import Cpu, CpuClock
from services.collector.samplers.disk import Disk
from services.collector.samplers.filesystem import Filesystem
from services.collector.samplers.gpu import GpuClocks, GpuLoad, GpuTrend
from services.collector.samplers.load import Load
from services.collector.samplers.memory import Memory, MemoryTrend
from services.collector.samplers.network import Network
from services.collector.samplers.own_cost import OwnCost
from services.collector.samplers.paging import Paging
from services.collector.samplers.power import Power
from services.collector.samplers.process import Processes
from services.collector.samplers.psi import Pressure, Stall
from services.collector.samplers.runtimes import Runtimes
from services.collector.samplers.sockets import Sockets
from services.collector.samplers.storage import Storage
from services.collector.samplers.temperature import Temperature

ENTRY_POINTS = "wfmonitor.samplers"

SAMPLERS: dict[str, tuple[Factory, ...]] = {
    "cpu": (Cpu, CpuClock),
    "memory": (Memory, Paging, MemoryTrend),
    "load": (Load,),
    "psi": (Stall, Pressure),
    "disk": (Disk,),
    "filesystem": (Filesystem,),
    "network": (Network, Sockets),
    "temperature": (Temperature,),
    "battery": (Battery,),
    "power": (Power,),
    "storage": (Storage,),
    "gpu": (GpuClocks, GpuLoad, GpuTrend),  # before the processes, which show what they use of it
    "process": (Processes,),
    "runtime": (Runtimes,),
    "own_cost": (OwnCost,),
}
"""Subject → what measures it. The subject names the switch `collector.sampler.<subject>.enabled`."""


def _portable() -> dict[str, tuple[Factory, ...]]:
    from services.collector.samplers.portable import PORTABLE

    return PORTABLE


def factories(warn: Warn) -> Iterator[tuple[str, Factory]]:
    """Our own, then those of other distributions; one that cannot be loaded is said and left out."""
    for subject, made in (SAMPLERS if sys.platform == "linux" else SAMPLERS | _portable()).items():
        for factory in made:
            yield subject, factory
    for point in metadata.entry_points(group=ENTRY_POINTS):
        try:
            yield point.name, point.load()
        except Exception as error:  # whatever a third party's module raises
            warn("could not be loaded", point.name, f"{type(error).__name__}: {error}")
