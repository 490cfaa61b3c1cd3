"""Which process uses how much of which GPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.collector.nvml.session import Device, lost
from services.collector.sampler import NAN


def _memory(nvml: Any, device: Device) -> dict[int, float]:
    found: dict[int, float] = {}
    for ask in (nvml.nvmlDeviceGetComputeRunningProcesses, nvml.nvmlDeviceGetGraphicsRunningProcesses):
        try:
            listed = ask(device.handle)
        except nvml.NVMLError as error:
            if lost(nvml, error):
                raise
            continue
        for one in listed:
            used = one.usedGpuMemory  # None: the driver knows the process, not its memory
            found[one.pid] = NAN if used is None else max(float(used), _or_zero(found.get(one.pid)))
    return found


def _utilisation(nvml: Any, device: Device) -> dict[int, float]:
    """Mean over the driver's samples since the last reading, by process."""
    since = device.memory.get("usage_since", 0)
    try:
        samples = nvml.nvmlDeviceGetProcessUtilization(device.handle, since)
    except nvml.NVMLError as error:
        if lost(nvml, error):
            raise
        return {}  # none since then, or a GPU that does not tell
    shares: dict[int, list[float]] = {}
    for sample in samples:
        if sample.timeStamp > since:
            shares.setdefault(sample.pid, []).append(float(sample.smUtil))
            device.memory["usage_since"] = max(device.memory.get("usage_since", 0), sample.timeStamp)
    return {pid: sum(values) / len(values) for pid, values in shares.items()}


ByProcess = dict[int, tuple[float, float]]
"""pid → (utilisation in percent, bytes of GPU memory); NaN where unknown."""


def by_gpu(nvml: Any, devices: list[Device]) -> dict[str, ByProcess]:
    """Source of each whole GPU → who uses how much of it.

    A process with memory and without a sample did nothing: 0 %, where the GPU tells of others or of none.
    """
    found: dict[str, ByProcess] = {}
    for device in devices:
        if device.slice_of:
            continue
        memory, shares = _memory(nvml, device), _utilisation(nvml, device)
        tells = device.memory["usage_tells"] = bool(shares) or device.memory.get("usage_tells", False)
        found[device.source] = {
            pid: (shares.get(pid, 0.0 if tells else NAN), memory.get(pid, NAN)) for pid in memory.keys() | shares.keys()
        }
    return found


def by_process(gpus: Mapping[str, ByProcess]) -> ByProcess:
    """The same added over the GPUs."""
    found: ByProcess = {}
    for usage in gpus.values():
        for pid, here in usage.items():
            before = found.get(pid)
            found[pid] = here if before is None else (_add(before[0], here[0]), _add(before[1], here[1]))
    return found


def utilisation_of(usage: ByProcess, tells: bool) -> float:
    """Percent of one GPU's time, all processes together; 0 of a GPU that tells of them and has none."""
    told = [util for util, _ in usage.values() if util == util]
    return sum(told) if told else (0.0 if tells else NAN)


def _or_zero(value: float | None) -> float:
    return 0.0 if value is None or value != value else value


def _add(one: float, other: float) -> float:
    return other if one != one else one if other != other else one + other
