"""What the tap adds to the first token, to each chunk and to a stream, against a direct connection and a bare relay.

Client, tap, relay and runtime are processes of their own; every token says when it was made. The ways are asked in
turn, request by request and token by token, and compared pair by pair.
"""

from __future__ import annotations

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference
from tests.bench.harness.tapped import Added, added_delay, added_first

REQUESTS = 400
TOKENS = 500
GAP_MS = 10.0


def _first(bench: Bench, way: str) -> Added:
    return added_first(bench, 40 if bench.quick else REQUESTS)[way]


def _chunk(bench: Bench, way: str) -> Added:
    return added_delay(bench, 60 if bench.quick else TOKENS, GAP_MS)[way]


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
STREAM = Figure(
    "tap_stream_time", "tap: added to a stream, for each token after the first", "ms",
    lambda bench: _chunk(bench, "tap").a_token, bar=0.02,
    references=(Reference("bare relay", lambda bench: _chunk(bench, "relay").a_token, "floor", extra=0.02),),
)  # fmt: skip
