"""VictoriaMetrics, single node, for range queries over the same data."""

from __future__ import annotations

import json
import time
import urllib.parse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.harness.figure import Unmeasurable
from tests.bench.harness.program import find, get, running, wait_for
from tests.stack import free_port

NAME = "VictoriaMetrics"


@dataclass(frozen=True)
class Victoria:
    url: str

    def take(self, metric: str, times_ms: Sequence[int], values: Sequence[float]) -> None:
        """Imports one series and waits until all of it can be queried."""
        line = {"metric": {"__name__": metric}, "values": list(values), "timestamps": list(times_ms)}
        get(f"{self.url}/api/v1/import", data=json.dumps(line).encode())
        get(f"{self.url}/internal/force_flush")
        deadline_s = time.monotonic() + 30.0
        while self._held(metric, times_ms[0], times_ms[-1]) < len(times_ms):
            if time.monotonic() > deadline_s:
                raise Unmeasurable(f"did not take all {len(times_ms)} samples within 30 s")
            time.sleep(0.2)

    def _held(self, metric: str, start_ms: int, end_ms: int) -> int:
        query = urllib.parse.urlencode({"match[]": metric, "start": start_ms / 1e3, "end": end_ms / 1e3})
        lines = get(f"{self.url}/api/v1/export?{query}").splitlines()
        return sum(len(json.loads(line)["values"]) for line in lines)

    def p95(self, metric: str, start_s: int, end_s: int, step_s: int) -> list[tuple[int, float]]:
        """p95 of each step, uncached: [(time of the step's end, value)]."""
        query = {
            "query": f"quantile_over_time(0.95, {metric}[{step_s}s])",
            "start": start_s,
            "end": end_s,
            "step": f"{step_s}s",
            "nocache": 1,
        }
        answer = json.loads(get(f"{self.url}/api/v1/query_range?{urllib.parse.urlencode(query)}"))
        return [(int(time_s), float(value)) for time_s, value in answer["data"]["result"][0]["values"]]


@contextmanager
def victoria(scratch: Path) -> Iterator[Victoria]:
    """A running one. Raises Unmeasurable where it is not installed."""
    program = find("victoria-metrics", "victoria-metrics-prod")
    folder, port = scratch / "victoria", free_port()
    command = [
        program,
        f"-storageDataPath={folder}/data",
        f"-httpListenAddr=127.0.0.1:{port}",
        "-search.maxPointsPerTimeseries=100000",
        "-retentionPeriod=1y",
    ]
    with running(command, folder) as process:
        url = f"http://127.0.0.1:{port}"
        wait_for(f"{url}/health", process, folder)
        yield Victoria(url)
