"""Bytes the whole stack writes to disk when idle: write_bytes of /proc/<pid>/io, what the kernel really sent down."""

from __future__ import annotations

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure
from tests.bench.harness.watching import idle


def measure(bench: Bench) -> float:
    return idle(bench).written_kb_s


FIGURE = Figure("idle_writes", "whole stack, idle: written to disk", "kB/s", measure, bar=20.0)
