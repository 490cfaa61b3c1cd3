"""Memory of the whole stack, supervisord in it: Pss of smaps_rollup, so that what the processes share counts once."""

from __future__ import annotations

from tests.bench.harness.accounting import name_of, pss_mb
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure
from tests.bench.harness.live import stack_of


def measure(bench: Bench) -> float:
    sizes = pss_mb([stack_of(bench).supervisor_pid])
    ranked = sorted(sizes.items(), key=lambda pair: -pair[1])
    bench.note(", ".join(f"{name_of(pid).rpartition('.')[2]} {size:.0f} MB" for pid, size in ranked))
    return sum(sizes.values())


FIGURE = Figure("idle_memory", "whole stack, no page open: memory (PSS)", "MB", measure, bar=200.0)
