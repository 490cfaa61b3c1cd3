"""Values that the monitor keeps, against an independent reader of the same machine: the largest deviation.

While both cores do half-hearted work, a file is written through to the disk and datagrams pass over loopback, /proc
is read here, apart from any code of ours, over the same ten seconds for which the monitor's means are then asked. A
deviation is in percent of the value, but of at least one unit that a person would see (1 % of a core, 1 % of memory,
100 kB/s).
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from wfmonitor.v1.metrics_service_pb2 import QueryInstantRequest, Selector

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure
from tests.bench.harness.live import metrics, stack_of
from tests.stack import Stack

SPAN_S = 10
MOVED = ("system.disk.write_bytes_s", "system.net.lo_bytes_s")
# A speed is of the time since the reading before, a period ago at 10 Hz: twice that.
REACHES_BACK_S = 0.2

# Each says a line when it begins.
_LOAD = """
import time
print("begun", flush=True)
while True:
    end = time.monotonic() + .03
    while time.monotonic() < end:
        pass
    time.sleep(.03)
"""

_MOVES = """
import os, socket, sys, time
with open(sys.argv[1], "wb", buffering=0) as file, socket.socket(type=socket.SOCK_DGRAM) as to_itself:
    to_itself.bind(("127.0.0.1", 0))
    print("begun", flush=True)
    while True:
        file.seek(0)
        file.write(bytes(200_000))
        os.fdatasync(file)
        to_itself.sendto(bytes(30_000), to_itself.getsockname())
        to_itself.recv(30_000)
        time.sleep(.02)
"""


def _cpu() -> tuple[float, float]:
    """(busy, all) jiffies of all cores."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _meminfo(name: str) -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) * 1024
    raise LookupError(name)


def _moved() -> dict[str, int]:
    """Bytes written to each disk and over loopback since the machine's start, by the metric that tells their speed."""
    moved = {}
    for line in Path("/proc/diskstats").read_text().splitlines():
        fields = line.split()
        moved[f"system.disk.write_bytes_s of {fields[2]}"] = int(fields[9]) * 512
    for line in Path("/proc/net/dev").read_text().splitlines():
        name, _, fields = line.partition(":")
        if name.strip() == "lo":
            moved["system.net.lo_bytes_s of "] = int(fields.split()[8])
    return moved


def _kept(stack: Stack, metric: str, end_us: int) -> dict[str, float]:
    """The means by device, by "" where a metric has none."""
    request = QueryInstantRequest(selector=Selector(metric=metric), stat="avg", window=f"{SPAN_S}s", time_us=end_us)
    tables = metrics(stack).QueryInstant(request).values
    pairs = [pair for table in tables for pair in zip(table.series, table.values, strict=True)]
    return {{label.name: label.value for label in series.labels}.get("device", ""): value for series, value in pairs}


def _read(stack: Stack) -> tuple[dict[str, float], int]:
    """What /proc says of ten seconds, and when they ended (wall, µs)."""
    used: list[float] = []
    cpu, moved, begun_s = _cpu(), _moved(), time.monotonic()
    for _ in range(SPAN_S * 10):
        used.append(_meminfo("MemTotal") - _meminfo("MemAvailable"))
        time.sleep(0.1)
    busy, total = (after - before for after, before in zip(_cpu(), cpu, strict=True))
    span_s, end_us = time.monotonic() - begun_s, time.time_ns() // 1000
    speeds = {name: (now - moved[name]) / span_s for name, now in _moved().items()}
    kept = {f"{metric} of {device}" for metric in MOVED for device in _kept(stack, metric, end_us)}
    read = {
        "system.cpu.percent of ": 100.0 * busy / total,
        "system.mem.used_bytes of ": sum(used) / len(used),
        "system.mem.percent of ": 100.0 * sum(used) / len(used) / _meminfo("MemTotal"),
    }
    return read | {name: speed for name, speed in speeds.items() if name in kept}, end_us


def measure(bench: Bench) -> float:
    stack = stack_of(bench)
    with tempfile.NamedTemporaryFile(dir=stack.home.root) as file:
        loads = [[_LOAD]] * (os.cpu_count() or 1) + [[_MOVES, file.name]]
        load = [subprocess.Popen([sys.executable, "-c", *words], stdout=subprocess.PIPE) for words in loads]
        try:
            for process in load:
                assert process.stdout
                assert process.stdout.readline() == b"begun\n"
            time.sleep(REACHES_BACK_S)  # a span: the first reading tells of nothing before the load
            read, end_us = _read(stack)
        finally:
            for process in load:
                process.kill()
                process.communicate()
    if not any(name.startswith("system.disk.") for name in read):
        bench.note("no disk of this machine is both in /proc/diskstats and kept")
    least = {
        "system.mem.used_bytes of ": _meminfo("MemTotal") / 100,
        **{name: 1e5 for name in read if name.startswith(MOVED)},
    }
    worst = 0.0
    for name, value in read.items():
        metric, _, device = name.partition(" of ")
        kept = _kept(stack, metric, end_us)[device]
        deviation = 100.0 * abs(kept - value) / max(abs(value), least.get(name, 1.0))
        bench.note(f"round {bench.round + 1}: {metric} {device} {kept:.6g}, read independently {value:.6g}")
        worst = max(worst, deviation)
    return worst


FIGURE = Figure("values", "values against an independent reader: worst deviation", "%", measure, bar=5.0)
