"""Values that the monitor keeps, against an independent reader of the same machine: the largest deviation.

While both cores do half-hearted work, /proc is read here, apart from any code of ours, over the same ten seconds for
which the monitor's means are then asked. A deviation is in percent of the value, but of at least one unit that a
person would see (1 % of a core, 1 % of memory).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from wfmonitor.v1.metrics_service_pb2 import QueryInstantRequest, Selector

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure
from tests.bench.harness.live import metrics, stack_of
from tests.stack import Stack

SPAN_S = 10
_LOAD = "import time\nwhile True:\n end = time.monotonic() + .03\n while time.monotonic() < end: pass\n time.sleep(.03)"


def _cpu() -> tuple[float, float]:
    """(busy, all) jiffies of all cores."""
    fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _meminfo(name: str) -> float:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return float(line.split()[1]) * 1024
    raise LookupError(name)


def _kept(stack: Stack, metric: str, end_us: int) -> float:
    request = QueryInstantRequest(selector=Selector(metric=metric), stat="avg", window=f"{SPAN_S}s", time_us=end_us)
    return float(metrics(stack).QueryInstant(request).values[0].values[0])


def measure(bench: Bench) -> float:
    stack = stack_of(bench)
    load = [subprocess.Popen([sys.executable, "-c", _LOAD]) for _ in range(os.cpu_count() or 1)]
    try:
        time.sleep(1.0)  # the load has begun
        used: list[float] = []
        before = _cpu()
        for _ in range(SPAN_S * 10):
            used.append(_meminfo("MemTotal") - _meminfo("MemAvailable"))
            time.sleep(0.1)
        after, end_us = _cpu(), time.time_ns() // 1000
    finally:
        for process in load:
            process.kill()
            process.wait()
    read = {
        "system.cpu.percent": 100.0 * (after[0] - before[0]) / (after[1] - before[1]),
        "system.mem.used_bytes": sum(used) / len(used),
        "system.mem.percent": 100.0 * sum(used) / len(used) / _meminfo("MemTotal"),
    }
    least = {"system.mem.used_bytes": _meminfo("MemTotal") / 100}
    worst = 0.0
    for metric, value in read.items():
        kept = _kept(stack, metric, end_us)
        deviation = 100.0 * abs(kept - value) / max(abs(value), least.get(metric, 1.0))
        bench.note(f"round {bench.round + 1}: {metric} {kept:.6g}, read independently {value:.6g}")
        worst = max(worst, deviation)
    return worst


FIGURE = Figure("values", "values against an independent reader: worst deviation", "%", measure, bar=5.0)
