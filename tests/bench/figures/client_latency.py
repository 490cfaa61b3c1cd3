"""From the time in a sample to its arrival at a WebSocket client, against a bare socket that wakes up the same way.

A client of its own process joins with a ticket as the page does, and takes from each frame the newest row of each
table that is read 10 times a second or more. The floor: a process that sends 10 times a second over a loopback
socket to another; on a busy machine most of the latency is the waking up.
"""

from __future__ import annotations

import subprocess
import sys

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Reference
from tests.bench.harness.live import api, stack_of
from tests.bench.harness.ranks import percentile

SPAN_S = 30.0


def _p95_ms(*command: str) -> float:
    done = subprocess.run([sys.executable, "-m", *command], check=True, capture_output=True)
    return percentile([float(line) for line in done.stdout.split()], 95)


def measure(bench: Bench) -> float:
    stack = stack_of(bench)
    ticket = api(stack, "ticket", {})["ticket"]
    url = stack.url(f"/ws?ticket={ticket}").replace("http:", "ws:")
    return _p95_ms("tests.bench.harness.ws_client", url, str(bench.seconds(SPAN_S, 1.0)))


def bare(bench: Bench) -> float:
    return _p95_ms("tests.bench.harness.bare_socket", "10", str(bench.seconds(SPAN_S, 1.0)))


FIGURE = Figure(
    "client_latency",
    "sample to WebSocket client: p95",
    "ms",
    measure,
    bar=30.0,
    references=(Reference("bare socket", bare, "floor"),),
)
