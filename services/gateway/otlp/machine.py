"""The hardware conventions (`hw.*`) and those of a host (`system.*`), and what senders really send in their place.

What the monitor measures of this machine itself stands in the same series: a sender that repeats it gives each twice.
"""

from __future__ import annotations

import re
from typing import Literal

from bus.series import Series
from services.gateway.otlp.points import Attributes
from services.gateway.otlp.shapes import As, Rule, label, one_of

# Attributes: the spelling of each convention, old and new → one word.
ATTRIBUTES = {
    "cpu.mode": "state", "system.cpu.state": "state", "system.memory.state": "state", "system.paging.state": "state",
    "system.filesystem.state": "state", "linux.memory.state": "state", "memory_state": "state",
    "disk.io.direction": "direction", "network.io.direction": "direction", "system.paging.direction": "direction",
    "system.disk.direction": "direction", "system.network.direction": "direction", "hw.gpu.io.direction": "direction",
    "system.device": "device", "network.interface.name": "device", "system.network.interface": "device",
    "cpu.logical_number": "cpu", "system.cpu.logical_number": "cpu",
    "system.filesystem.mountpoint": "mountpoint",
    "gpu.index": "gpu_index", "gpu_number": "gpu_index", "hw.gpu.index": "gpu_index",
    "hw.gpu.task": "task",
}  # fmt: skip
NAMES = {
    "gpu.utilization": "hw.gpu.utilization",
    "gpu.memory.used": "hw.gpu.memory.usage",
    "gpu.memory.total": "hw.gpu.memory.limit",
    "gpu.power.draw": "hw.gpu.power",
    "gpu.temperature": "hw.gpu.temperature",
    "nvml.gpu.utilization": "hw.gpu.utilization",
    "nvml.gpu.memory.bytes_used": "hw.gpu.memory.usage",
    "system.network.dropped_packets": "system.network.dropped",
    "system.network.packet.dropped": "system.network.dropped",
    "system.network.packet.count": "system.network.packets",
    "system.memory.linux.available": "system.linux.memory.available",
    "system.swap.usage": "system.paging.usage",
    "system.swap.utilization": "system.paging.utilization",
    "system.processes.count": "system.process.count",
    "system.processes.created": "system.process.created",
}
# OpenLIT (to 1.34) names no unit, and sends whole percents and MiB.
UNITS = {
    "gpu.utilization": "%",
    "gpu.enc.utilization": "%",
    "gpu.dec.utilization": "%",
    "gpu.memory.used": "MiB",
    "gpu.memory.total": "MiB",
}
_GPU = {"hw.type": one_of("gpu")}
_INDEX = re.compile(r"(?:.*?(?:gpu|nvidia)[ _:/-]?)?([0-9]{1,3})", re.IGNORECASE)
_NO_TASK = one_of("task")


def _state(*states: str) -> dict[str, frozenset[str]]:
    return {"state": one_of(*states)}


def _flow(direction: str) -> dict[str, frozenset[str]]:
    return {"direction": one_of(direction)}


def _per_device(in_metric: str, out_metric: str, unit: str, of: Literal["device", "iface"]) -> tuple[Rule, ...]:
    ways = ("read", "write") if of == "device" else ("receive", "transmit")
    return tuple(
        Rule(metric, As.RATE, unit, when=_flow(way), labels={of: "device"})
        for metric, way in zip((in_metric, out_metric), ways, strict=True)
    )


RULES: dict[str, tuple[Rule, ...]] = {
    "hw.gpu.utilization": (
        Rule("gpu.util_percent", As.LEVEL, "1", 100.0, without=_NO_TASK),
        Rule("gpu.util_percent", As.LEVEL, "1", 100.0, when={"task": one_of("general")}),
        Rule("gpu.encoder_percent", As.LEVEL, "1", 100.0, when={"task": one_of("encoder")}),
        Rule("gpu.decoder_percent", As.LEVEL, "1", 100.0, when={"task": one_of("decoder")}),
    ),
    "gpu.enc.utilization": (Rule("gpu.encoder_percent", As.LEVEL, "1", 100.0),),
    "gpu.dec.utilization": (Rule("gpu.decoder_percent", As.LEVEL, "1", 100.0),),
    "hw.gpu.memory.usage": (
        Rule("gpu.mem_used_bytes", As.LEVEL, "By", without=one_of("state")),
        Rule("gpu.mem_used_bytes", As.LEVEL, "By", when=_state("used")),
    ),
    "hw.gpu.memory.limit": (Rule("gpu.mem_total_bytes", As.LEVEL, "By"),),
    "hw.gpu.memory.utilization": (Rule("gpu.mem_util_percent", As.LEVEL, "1", 100.0),),
    "hw.gpu.io": (
        Rule("gpu.pcie_rx_bytes_s", As.RATE, "By", when=_flow("receive")),
        Rule("gpu.pcie_tx_bytes_s", As.RATE, "By", when=_flow("transmit")),
    ),
    "hw.gpu.power": (Rule("gpu.power_w", As.LEVEL, "W"),),
    "hw.gpu.energy": (Rule("gpu.energy_j", As.TOTAL, "J"),),
    "hw.gpu.temperature": (Rule("gpu.temp_c", As.LEVEL, "Cel"),),
    "hw.power": (
        Rule("gpu.power_w", As.LEVEL, "W", when=_GPU),
        Rule("system.power_w", As.LEVEL, "W", labels={"type": "hw.id"}),
    ),
    "hw.energy": (
        Rule("gpu.energy_j", As.TOTAL, "J", when=_GPU),
        Rule("system.energy_j", As.TOTAL, "J", labels={"type": "hw.id"}),
    ),
    "hw.temperature": (
        Rule("gpu.temp_c", As.LEVEL, "Cel", when=_GPU),
        Rule("system.temp_c", As.LEVEL, "Cel", labels={"sensor": "hw.id"}),
    ),
    "hw.fan.speed": (Rule("system.fan_rpm", As.LEVEL, "rpm", labels={"sensor": "hw.id"}),),
    "hw.battery.charge": (Rule("system.battery.percent", As.LEVEL, "1", 100.0),),
    "system.cpu.utilization": (
        Rule("system.cpu.percent", As.LEVEL, "1", 100.0, without=one_of("cpu", "state")),
        Rule("system.cpu.percent", As.LEVEL, "1", 100.0, when=_state("idle"), without=one_of("cpu"), rest=True),
        Rule("system.cpu.state_percent", As.LEVEL, "1", 100.0, without=one_of("cpu"), labels={"state": "state"}),
        Rule("system.cpu.core_percent", As.LEVEL, "1", 100.0, without=one_of("state"), labels={"core": "cpu"}),
        Rule("system.cpu.core_percent", As.LEVEL, "1", 100.0, when=_state("idle"), labels={"core": "cpu"}, rest=True),
        Rule("system.cpu.core_state_percent", As.LEVEL, "1", 100.0, labels={"core": "cpu", "state": "state"}),
    ),
    "system.cpu.time": (
        Rule("system.cpu.core_percent", As.RATE, "s", 100.0, when=_state("idle"), labels={"core": "cpu"}, rest=True),
        Rule("system.cpu.core_state_percent", As.RATE, "s", 100.0, labels={"core": "cpu", "state": "state"}),
    ),
    "system.cpu.load_average.1m": (Rule("system.load1", As.LEVEL, "{thread}"),),
    "system.cpu.load_average.5m": (Rule("system.load5", As.LEVEL, "{thread}"),),
    "system.cpu.load_average.15m": (Rule("system.load15", As.LEVEL, "{thread}"),),
    "system.memory.usage": (
        Rule("system.mem.used_bytes", As.LEVEL, "By", when=_state("used")),
        Rule("system.mem.free_bytes", As.LEVEL, "By", when=_state("free")),
        Rule("system.mem.cached_bytes", As.LEVEL, "By", when=_state("cached")),
        Rule("system.mem.buffers_bytes", As.LEVEL, "By", when=_state("buffers", "buffered")),
    ),
    "system.memory.utilization": (
        Rule("system.mem.percent", As.LEVEL, "1", 100.0, when=_state("used")),
        Rule("system.mem.percent", As.LEVEL, "1", 100.0, without=one_of("state")),
    ),
    "system.memory.limit": (Rule("system.mem.total_bytes", As.LEVEL, "By"),),
    "system.linux.memory.available": (Rule("system.mem.available_bytes", As.LEVEL, "By"),),
    "system.paging.usage": (Rule("system.swap.used_bytes", As.LEVEL, "By", when=_state("used")),),
    "system.paging.utilization": (Rule("system.swap.percent", As.LEVEL, "1", 100.0, when=_state("used")),),
    "system.disk.io": _per_device("system.disk.read_bytes_s", "system.disk.write_bytes_s", "By", "device"),
    "system.disk.operations": _per_device("system.disk.reads_s", "system.disk.writes_s", "{operation}", "device"),
    "system.network.io": _per_device("system.net.rx_bytes_s", "system.net.tx_bytes_s", "By", "iface"),
    "system.network.packets": _per_device("system.net.rx_packets_s", "system.net.tx_packets_s", "{packet}", "iface"),
    "system.network.errors": _per_device("system.net.rx_errors_s", "system.net.tx_errors_s", "{error}", "iface"),
    "system.network.dropped": _per_device("system.net.rx_drops_s", "system.net.tx_drops_s", "{packet}", "iface"),
    "system.filesystem.usage": (
        Rule("system.disk.free_bytes", As.LEVEL, "By", when=_state("free"), labels={"mount": "mountpoint"}),
    ),
    "system.filesystem.limit": (Rule("system.disk.total_bytes", As.LEVEL, "By", labels={"mount": "mountpoint"}),),
    "system.process.count": (
        Rule("system.processes", As.LEVEL, "{process}", without=one_of("status", "process.status")),
    ),
    "system.process.created": (Rule("system.forks_s", As.RATE, "{process}"),),
    "system.uptime": (Rule("system.uptime_s", As.LEVEL, "s"),),
}  # fmt: skip


def series(rule: Rule, _name: str, attributes: Attributes) -> Series | str:
    """The series of a GPU or of the machine; a text where the point does not say which GPU by its index."""
    if rule.metric.startswith("gpu."):
        index = gpu_index(attributes)
        if index is None:
            told = attributes.get("hw.id", "")[:40]
            return f"hw.id {told!r} is no index of a GPU; send hw.id=0, or the attribute gpu_index"
        return Series(rule.metric, f"gpu:{index}")
    labels = ((name, label(attributes[attribute])) for name, attribute in rule.labels.items())
    return Series(rule.metric, "system", tuple(sorted(labels)))


def gpu_index(attributes: Attributes) -> int | None:
    """The index out of `hw.id` ("0", "gpu0", "/dev/nvidia0") or of what senders have in its place; None for a UUID."""
    for name in ("hw.id", "gpu_index", "hw.name"):
        if found := _INDEX.fullmatch(attributes.get(name, "")):
            return int(found[1])
    return None
