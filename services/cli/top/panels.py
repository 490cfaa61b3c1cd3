"""The panels of `wfmon top`: each makes lines of text from the model. Pure, so they are tested without a terminal."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from rich.text import Text
from wfmonitor.v1.health_pb2 import ServiceState

from services.cli.text import ABSENT, number, printable, scaled, span
from services.cli.top.model import Model
from services.cli.top.sparkline import bar, scale, sparkline

HOT, WARM, CALM, DIM = "#ef4444", "#fbbf24", "#60a5fa", "#94a3b8"
_STATES = {
    ServiceState.SERVICE_STATE_READY: ("●", "#4ade80"),
    ServiceState.SERVICE_STATE_DEGRADED: ("◐", WARM),
    ServiceState.SERVICE_STATE_DOWN: ("○", HOT),
}
# So many characters a panel's line has left of its sparkline.
_HEAD = 22
_RATE_LEAST = 100_000.0  # bytes/s: below it the scale of a rate does not shrink, or noise would look like load


def share_colour(percent: float) -> str:
    """Return the colour of a load: calm, from 70 % warm, from 90 % hot."""
    return DIM if math.isnan(percent) else HOT if percent >= 90 else WARM if percent >= 70 else CALM


def cpu(model: Model, width: int) -> Text:
    """Processor: a minute, the cores, load and pressure."""
    now = model.mean("system.cpu.percent", 1.0)
    text = _line(
        "CPU", number(now, "percent"), model.history("system.cpu.percent", _room(width)), 100.0, share_colour(now)
    )
    cores = [model.mean("system.cpu.core_percent", 1.0, label=core) for core in model.labels("system.cpu.core_percent")]
    text.append(f"\n{len(cores) or ABSENT:>2} cores ", DIM)
    for core in cores[: max(0, width - 10)]:
        text.append(sparkline([core], 100.0), share_colour(core))
    text.append("\nload ", DIM)
    text.append(_plain(model.last("system.load1")))
    text.append("  waiting ", DIM)
    text.append(number(model.last("system.psi.cpu.some_avg10"), "percent"))
    if sensors := model.labels("system.temp_c"):
        hottest = max(model.last("system.temp_c", label=sensor) for sensor in sensors)
        text.append("  hottest ", DIM)
        text.append(number(hottest, "celsius"))
    return text


def memory(model: Model, width: int) -> Text:
    """Memory: a minute, what is used of what there is, swap and pressure."""
    now = model.last("system.mem.percent")
    text = _line(
        "Memory", number(now, "percent"), model.history("system.mem.percent", _room(width)), 100.0, share_colour(now)
    )
    used, total = model.last("system.mem.used_bytes"), model.last("system.mem.total_bytes")
    text.append("\n")
    text.append(bar(now / 100.0, max(8, min(30, width - 24))), share_colour(now))
    text.append(f" {scaled(used)} of {scaled(total)}")
    text.append("\nswap ", DIM)
    text.append(number(model.last("system.swap.percent"), "percent"))
    text.append("  waiting ", DIM)
    text.append(number(model.last("system.psi.mem.some_avg10"), "percent"))
    return text


def disk(model: Model, width: int) -> Text:
    """Disks together: read and written, the busiest, pressure."""
    text = _rate_line("Read", "system.disk.read_bytes_s", model, width)
    text.append("\n")
    text.append_text(_rate_line("Written", "system.disk.write_bytes_s", model, width))
    busy = {
        device: model.mean("system.disk.busy_percent", 1.0, label=device)
        for device in model.labels("system.disk.busy_percent")
    }
    text.append("\nbusiest ", DIM)
    if busy:
        device = max(busy, key=lambda name: busy[name])
        text.append(f"{printable(device)} {number(busy[device], 'percent')}")
    else:
        text.append(ABSENT)
    text.append("  waiting ", DIM)
    text.append(number(model.last("system.psi.io.some_avg10"), "percent"))
    return text


def network(model: Model, width: int) -> Text:
    """Networks together, without loopback, which stands apart."""
    text = _rate_line("In", "system.net.rx_bytes_s", model, width)
    text.append("\n")
    text.append_text(_rate_line("Out", "system.net.tx_bytes_s", model, width))
    text.append("\nloopback ", DIM)
    text.append(number(model.mean("system.net.lo_bytes_s", 1.0), "bytes/s"))
    return text


def gpus(model: Model, width: int) -> Text:
    """One line a GPU; empty where there is none."""
    text = Text()
    for source in model.sources("gpu.util_percent"):
        now = model.mean("gpu.util_percent", 1.0, source)
        if text:
            text.append("\n")
        history = model.history("gpu.util_percent", max(8, _room(width) - 34), source)
        text.append_text(
            _line(source.upper().replace(":", " "), number(now, "percent"), history, 100.0, share_colour(now))
        )
        used, total = model.last("gpu.mem_used_bytes", source), model.last("gpu.mem_total_bytes", source)
        text.append(f"  {scaled(used)} of {scaled(total)}")
        text.append(
            f"  {number(model.last('gpu.power_w', source), 'W')}  {number(model.last('gpu.temp_c', source), 'celsius')}"
        )
    return text


def services(model: Model, width: int) -> Text:
    """Our own services: state, cost, and what is wrong."""
    text = Text()
    for name in sorted(model.health):
        health = model.health[name]
        mark, colour = _STATES.get(health.state, ("◌", DIM))
        if model.now_us - health.time_us > 5e6 and health.state != ServiceState.SERVICE_STATE_DOWN:
            mark, colour = "◌", DIM  # not heard for five seconds
        cost = model.last("monitor.cpu_percent", f"monitor:{name}")
        text.append(f"{mark} ", colour)
        text.append(f"{name} ")
        text.append(f"{number(cost, 'percent')}  ", DIM)
        if health.reason:
            text.append(f"{printable(health.reason)}  ", colour)
    costs = [model.last("monitor.cpu_percent", source) for source in model.sources("monitor.cpu_percent")]
    text.append(f"all together {number(sum(costs) if costs else math.nan, 'percent')} of one core", DIM)
    text.truncate(width * 2)
    return text


def events(model: Model, lines: int) -> Text:
    """The newest events, one a line."""
    text = Text(no_wrap=True, overflow="ellipsis")
    for event in model.events[-lines:]:
        when = time.strftime("%H:%M:%S", time.localtime(event.time_us / 1e6))
        text.append(f"{when} ", DIM)
        text.append(f"{event.kind.replace('_', ' ')}: ", WARM if event.kind in ("spike", "restart", "loss") else CALM)
        text.append(f"{printable(event.title)}\n")
    return text


def headline(host: str, model: Model, state: str, paused: bool) -> Text:
    """Name, time of the newest sample, up time, and how the connection is."""
    text = Text(no_wrap=True)
    text.append(f" {printable(host)} ", "bold")
    if model.now_us:
        text.append(time.strftime("%H:%M:%S", time.localtime(model.now_us / 1e6)))
    up_s = model.last("system.uptime_s")
    if not math.isnan(up_s):
        text.append(f"  up {span(up_s)}", DIM)
    if paused:
        text.append("  paused", WARM)
    if state:
        text.append(f"  {state}", HOT)
    return text


PANELS: tuple[tuple[str, Callable[[Model, int], Text]], ...] = (
    ("cpu", cpu),
    ("memory", memory),
    ("disk", disk),
    ("network", network),
)


def _room(width: int) -> int:
    return max(8, width - _HEAD)


def _line(name: str, value: str, history: list[float], top: float, colour: str) -> Text:
    text = Text(no_wrap=True)
    text.append(f"{name:<8}", "bold")
    text.append(f"{value:>11} ", colour)
    text.append(sparkline(history, top), colour)
    return text


def _rate_line(name: str, metric: str, model: Model, width: int) -> Text:
    history = model.history(metric, _room(width))
    return _line(name, number(model.total(metric), "bytes/s"), history, scale(history, _RATE_LEAST), CALM)


def _plain(value: float) -> str:
    return ABSENT if math.isnan(value) else f"{value:.2f}"
