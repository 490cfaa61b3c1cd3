"""What is asked of one GPU, one function a question. Each gives one value a field, in the metric's unit.

An NVML error goes through to the caller, who knows a GPU that is gone from a question it does not answer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from services.collector.nvml.session import Device
from services.collector.sampler import NAN

Read = Callable[[Any, Device, float], Sequence[float]]


class Probe(NamedTuple):
    """A question: the fields of class gpu that it answers, and how it is asked."""

    fields: tuple[str, ...]
    read: Read


# The reasons of `gpu.throttle_reasons`, and the bits that tell them. Idle and a chosen clock are no throttling.
THROTTLE = {
    "power_cap": "nvmlClocksThrottleReasonSwPowerCap",
    "hw_slowdown": "nvmlClocksThrottleReasonHwSlowdown",
    "sw_thermal": "nvmlClocksThrottleReasonSwThermalSlowdown",
    "hw_thermal": "nvmlClocksThrottleReasonHwThermalSlowdown",
    "power_brake": "nvmlClocksThrottleReasonHwPowerBrakeSlowdown",
}


def sm_clock(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    return (float(nvml.nvmlDeviceGetClockInfo(device.handle, nvml.NVML_CLOCK_SM)),)


def mem_clock(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    return (float(nvml.nvmlDeviceGetClockInfo(device.handle, nvml.NVML_CLOCK_MEM)),)


def utilisation(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    """Over the driver's own period, between 1/6 s and 1 s by product."""
    found = nvml.nvmlDeviceGetUtilizationRates(device.handle)
    return float(found.gpu), float(found.memory)


def mem_used(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    return (float(nvml.nvmlDeviceGetMemoryInfo(device.handle).used),)


def mem_total(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    return (float(nvml.nvmlDeviceGetMemoryInfo(device.handle).total),)


def power(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    return (nvml.nvmlDeviceGetPowerUsage(device.handle) / 1000.0,)


def temperature(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    return (float(nvml.nvmlDeviceGetTemperature(device.handle, nvml.NVML_TEMPERATURE_GPU)),)


def throttle(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    """1 or 0 for each reason, in the order of `THROTTLE`."""
    bits = nvml.nvmlDeviceGetCurrentClocksThrottleReasons(device.handle)
    return tuple(float(bool(bits & getattr(nvml, name))) for name in THROTTLE.values())


def encoder(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    return (float(nvml.nvmlDeviceGetEncoderUtilization(device.handle)[0]),)


def decoder(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    return (float(nvml.nvmlDeviceGetDecoderUtilization(device.handle)[0]),)


def pcie(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    """Received and sent, bytes a second: from counters, else as the driver measures over 20 ms each."""
    asked = [nvml.NVML_FI_DEV_PCIE_COUNT_RX_BYTES, nvml.NVML_FI_DEV_PCIE_COUNT_TX_BYTES]
    if device.memory.get("pcie", "counters") == "counters":
        found = nvml.nvmlDeviceGetFieldValues(device.handle, asked)
        if all(value.nvmlReturn == nvml.NVML_SUCCESS for value in found):
            counters = tuple(float(value.value.ullVal) for value in found)
            before_s, before = device.memory.get("pcie_last", (NAN, counters))
            device.memory["pcie_last"] = (now_s, counters)
            span_s = now_s - before_s
            return tuple(
                (new - old) / span_s if span_s > 0 and new >= old else NAN
                for new, old in zip(counters, before, strict=True)
            )
        device.memory["pcie"] = "measured"
    ways = (nvml.NVML_PCIE_UTIL_RX_BYTES, nvml.NVML_PCIE_UTIL_TX_BYTES)
    return tuple(nvml.nvmlDeviceGetPcieThroughput(device.handle, way) * 1024.0 for way in ways)


def energy(nvml: Any, device: Device, now_s: float) -> Sequence[float]:
    """Joules since the first reading: the driver's counter (Volta and later), else the trapezoid under power."""
    memory = device.memory
    if memory.get("energy", "counter") == "counter":
        try:
            total_j = nvml.nvmlDeviceGetTotalEnergyConsumption(device.handle) / 1000.0
            return (total_j - memory.setdefault("energy_first_j", total_j),)
        except nvml.NVMLError as error:
            if error.value != nvml.NVML_ERROR_NOT_SUPPORTED:
                raise
            memory["energy"] = "integral"
    (watts,) = power(nvml, device, now_s)
    before_s, before_w, sum_j = memory.get("energy_last", (now_s, watts, 0.0))
    sum_j += (watts + before_w) / 2.0 * (now_s - before_s)
    memory["energy_last"] = (now_s, watts, sum_j)
    return (sum_j,)


CLOCKS = (Probe(("sm_clock_mhz",), sm_clock),)
LOAD = (
    Probe(("util_percent", "mem_util_percent"), utilisation),
    Probe(("mem_used_bytes",), mem_used),
    Probe(("power_w",), power),
)
TREND = (
    Probe(("mem_total_bytes",), mem_total),
    Probe(("temp_c",), temperature),
    Probe(("mem_clock_mhz",), mem_clock),
    Probe(("throttle_reasons",) * len(THROTTLE), throttle),
    Probe(("encoder_percent",), encoder),
    Probe(("decoder_percent",), decoder),
    Probe(("pcie_rx_bytes_s", "pcie_tx_bytes_s"), pcie),
    Probe(("energy_j",), energy),
)
