"""Memory of the whole stack, supervisord in it: Pss of smaps_rollup, so that what the processes share counts once.

Two bars: the stack that measures the machine, and the same with the tap, which stands between clients and runtimes.
"""

from __future__ import annotations

from tests.bench.harness.accounting import name_of, private_mb, pss_mb
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure
from tests.bench.harness.live import stack_of


def measure(bench: Bench) -> float:
    sizes = pss_mb([stack_of(bench).supervisor_pid])
    ranked = sorted(sizes.items(), key=lambda pair: -pair[1])
    bench.note(", ".join(f"{name_of(pid).rpartition('.')[2]} {size:.0f} MB" for pid, size in ranked))
    return sum(sizes.values())


def measure_without_tap(bench: Bench) -> float:
    return measure(bench) - private_mb(stack_of(bench).pid("tap"))


WITHOUT_TAP = Figure(
    "idle_memory", "whole stack but the tap, no page open: memory (PSS)", "MB", measure_without_tap, bar=200.0
)
FIGURE = Figure("idle_memory_tap", "the same with the tap: memory (PSS)", "MB", measure, bar=240.0)
