"""Samples a CPU second from the bus's messages through rings into durable chunks (tests/bench/ingest.py)."""

from __future__ import annotations

import json
import subprocess
import sys

from bus.home import REPOSITORY
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Unmeasurable

SAMPLES = 4_000_000


def measure(bench: Bench) -> float:
    samples = str(400_000 if bench.quick else SAMPLES)
    command = [sys.executable, "-m", "tests.bench.ingest", "--columns", "64", "--samples", samples]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise Unmeasurable(done.stderr[-200:])
    return float(json.loads(done.stdout)["samples_per_cpu_s"])


FIGURE = Figure(
    "ingest", "ingest: bus → rings → durable chunk", "samples per CPU-second", measure, bar=1_000_000, at_least=True
)
