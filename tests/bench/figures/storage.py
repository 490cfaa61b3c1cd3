"""Bytes a sample on disk, over an hour of real system series (tests/bench/storage.py)."""

from __future__ import annotations

import json
import subprocess
import sys

from bus.home import REPOSITORY
from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Unmeasurable


def measure(bench: Bench) -> float:
    command = [sys.executable, "-m", "tests.bench.storage"]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        raise Unmeasurable(done.stderr.strip()[-200:])
    return float(json.loads(done.stdout)["bytes_per_sample"])


FIGURE = Figure("storage", "raw storage, an hour of real series", "bytes a sample", measure, bar=0.8, rounds=1)
