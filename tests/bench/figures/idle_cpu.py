"""CPU of the whole stack with no page open (DESIGN: ≤ 3 % of one core): utime + stime of all its processes."""

from __future__ import annotations

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure
from tests.bench.harness.watching import idle, shares


def measure(bench: Bench) -> float:
    cost = idle(bench)
    bench.note(f"round {bench.round + 1}: {shares(cost)}")
    return cost.cpu_percent


FIGURE = Figure("idle_cpu", "whole stack, no page open: CPU", "% of a core", measure, bar=3.0)
