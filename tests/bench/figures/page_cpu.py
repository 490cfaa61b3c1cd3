"""CPU of the whole stack with one page open and drawing, outside the browser."""

from __future__ import annotations

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure
from tests.bench.harness.watching import shares, with_page


def measure(bench: Bench) -> float:
    cost = with_page(bench)
    bench.note(f"round {bench.round + 1}: {shares(cost)}")
    return cost.cpu_percent


FIGURE = Figure("page_cpu", "whole stack, one page open: CPU outside the browser", "% of a core", measure, bar=6.0)
