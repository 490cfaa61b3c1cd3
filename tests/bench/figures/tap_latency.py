"""What the tap adds to the first token and to each chunk, against a direct connection and a bare relay.

Client, tap, relay and runtime are processes of their own; every token says when it was made.
"""

from __future__ import annotations

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference
from tests.bench.harness.tapped import Added, added

REQUESTS = 200
TOKENS = 300
GAP_MS = 10.0


def _first(bench: Bench, way: str) -> Added:
    return added(bench, "first", 40 if bench.quick else REQUESTS)[way]


def _chunk(bench: Bench, way: str) -> Added:
    return added(bench, "delay", 60 if bench.quick else TOKENS, GAP_MS)[way]


def _relay(figure: str, percent: int) -> Reference:
    measured = _first if figure == "first" else _chunk
    return Reference("bare relay", lambda bench: measured(bench, "relay")[percent == 95], "floor")


FIRST_P50 = Figure(
    "tap_first_token", "tap: added to the first token, p50", "ms",
    lambda bench: _first(bench, "tap").p50, bar=0.5, references=(_relay("first", 50),),
)  # fmt: skip
FIRST_P95 = Figure(
    "tap_first_token_p95", "tap: added to the first token, p95", "ms",
    lambda bench: _first(bench, "tap").p95, bar=2.0, references=(_relay("first", 95),),
)  # fmt: skip
CHUNK_P50 = Figure(
    "tap_chunk", "tap: added to a chunk, p50", "ms",
    lambda bench: _chunk(bench, "tap").p50, bar=0.3, references=(_relay("chunk", 50),),
)  # fmt: skip
CHUNK_P95 = Figure(
    "tap_chunk_p95", "tap: added to a chunk, p95", "ms",
    lambda bench: _chunk(bench, "tap").p95, bar=1.0, references=(_relay("chunk", 95),),
)  # fmt: skip
