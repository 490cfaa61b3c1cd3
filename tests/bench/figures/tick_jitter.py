"""How late the ticks of the 60 Hz group begin, idle and with every core busy, against a bare clock_nanosleep loop.

The collector's resource group is set to 60 Hz, live, with all its samplers; what is read is the time in each row it
publishes, held against the grid (monotonic, through whole seconds). A bare C call in a process of its own, the same
rate and length, is the floor. Missed ticks are counted: a row that never came is late without limit.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from wfmonitor.v1.sample_pb2 import RateGroup, SampleBatch

from bus import topics
from tests.bench.harness import bare
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference
from tests.bench.harness.live import api, stack_of
from tests.bench.harness.ranks import percentile
from tests.stack import Ear, wait_until

RATE_HZ = 60.0
SPAN_S = 20.0
_RATE, _DEFAULT_HZ = "collector.rate.resource_hz", 10.0
# Six times the default rate may pass the collector's own budget, which would then halve it.
_BUDGET, _DEFAULT_PERCENT, _NO_BUDGET_PERCENT = "collector.budget_percent", 2.0, 50.0


@contextmanager
def _at_60_hz(bench: Bench) -> Iterator[Ear]:
    """The system's rows at 60 Hz, heard from the bus."""
    stack = stack_of(bench)
    api(stack, "settings", {"key": _BUDGET, "value": _NO_BUDGET_PERCENT})
    api(stack, "settings", {"key": _RATE, "value": RATE_HZ})
    ear = Ear(stack.home, (topics.sample("system"),))
    try:
        ear.wait_for(lambda heard: any(_rows(heard)), 10.0, "rows of the 60 Hz group")
        yield ear
    finally:
        ear.close()
        api(stack, "settings", {"key": _RATE, "value": _DEFAULT_HZ})
        api(stack, "settings", {"key": _BUDGET, "value": _DEFAULT_PERCENT})


def _rows(heard: Sequence[tuple[str, bytes]]) -> Iterator[int]:
    for _, payload in heard:
        batch = SampleBatch.FromString(payload)
        if batch.group == RateGroup.RATE_GROUP_RESOURCE and batch.rate_hz == RATE_HZ:
            yield from batch.boot_us


def p99_ms(late_s: Sequence[float]) -> float:
    return 1000.0 * percentile(late_s, 99)


def _measure(bench: Bench, what: str) -> float:
    ear = bench.hold("60 Hz", lambda: _at_60_hz(bench))
    seconds = bench.seconds(SPAN_S, 2.0)
    # The grid stands on the monotonic clock, rows carry the boot clock: they differ by what the machine has slept.
    slept_s = time.clock_gettime(time.CLOCK_BOOTTIME) - time.monotonic()
    from_us = time.clock_gettime(time.CLOCK_BOOTTIME) * 1e6
    end_us = from_us + seconds * 1e6
    ear.wait_for(lambda heard: any(at > end_us for at in _rows(heard[-20:])), seconds + 10.0, "the span's rows")
    with ear.changed:
        times_us = [at for at in _rows(ear.messages) if from_us < at <= end_us]
        ear.messages.clear()
    late_s = [((at / 1e6 - slept_s) * RATE_HZ) % 1.0 / RATE_HZ for at in times_us]
    missed = max(0, round(seconds * RATE_HZ) - len(times_us))
    bench.note(f"{what}, round {bench.round + 1}: {missed} of {round(seconds * RATE_HZ)} ticks missed")
    # A missed tick is one that came a whole period late, or never.
    return p99_ms(late_s + [1.0 / RATE_HZ] * missed)


@contextmanager
def _all_cores_busy() -> Iterator[None]:
    running = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(os.cpu_count() or 1)]
    try:
        wait_until(lambda: all(process.poll() is None for process in running), 5.0, "the busy loops to start")
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def idle(bench: Bench) -> float:
    return _measure(bench, "idle")


def busy(bench: Bench) -> float:
    with _all_cores_busy():
        return _measure(bench, "busy")


def bare_idle(bench: Bench) -> float:
    """The same grid by clock_nanosleep alone."""
    command = [sys.executable, bare.__file__, str(RATE_HZ), str(bench.seconds(SPAN_S, 2.0))]
    late_s = [float(line) for line in subprocess.run(command, check=True, capture_output=True).stdout.split()]
    return p99_ms(late_s)


def bare_busy(bench: Bench) -> float:
    with _all_cores_busy():
        return bare_idle(bench)


_FLOOR = "bare clock_nanosleep"
IDLE = Figure(
    "tick_jitter_idle",
    "tick jitter at 60 Hz, idle: p99",
    "ms",
    idle,
    bar=1.0,
    references=(Reference(_FLOOR, bare_idle, "floor"),),
)
BUSY = Figure(
    "tick_jitter_busy",
    "tick jitter at 60 Hz, every core busy: p99",
    "ms",
    busy,
    bar=5.0,
    references=(Reference(_FLOOR, bare_busy, "floor"),),
)
