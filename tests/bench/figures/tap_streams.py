"""64 streams of 100 tokens a second through the tap: its CPU, whether any is slowed down, whether a byte differs."""

from __future__ import annotations

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference
from tests.bench.harness.tapped import Streams, slower_percent, streams

STREAMS = 64
GAP_MS = 10.0
TOKENS = 500


def _tokens(bench: Bench) -> int:
    return 100 if bench.quick else TOKENS


def _streams(bench: Bench) -> Streams:
    return streams(bench, STREAMS, _tokens(bench), GAP_MS)


def _slower(bench: Bench, way: str) -> float:
    return slower_percent(bench, way, STREAMS, _tokens(bench), GAP_MS)


CPU = Figure(
    "tap_cpu", "tap: 64 streams of 100 tokens/s", "% of a core", lambda bench: _streams(bench).cpu_percent, bar=50.0
)
SLOWER = Figure(
    "tap_slower", "tap: how much slower the slowest of 64 streams is", "%",
    lambda bench: _slower(bench, "tap"), bar=2.0,
    references=(Reference("bare relay", lambda bench: _slower(bench, "relay"), "floor"),),
)  # fmt: skip
IDENTICAL = Figure(
    "tap_identical", "tap: streams whose bytes are identical", "of 1",
    lambda bench: float(_streams(bench).identical), bar=1.0, at_least=True,
)  # fmt: skip
