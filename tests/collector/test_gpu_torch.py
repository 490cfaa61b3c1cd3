"""A real torch model on a real NVIDIA GPU: power, load, VRAM and the model's joules, held against nvidia-smi."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from statistics import mean

import grpc
import pytest
from wfmonitor.v1.metrics_service_pb2 import QueryInstantRequest, Selector
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.process_pb2 import ProcessTable

from bus import topics
from bus.clock import wall_us
from bus.home import REPOSITORY
from tests.stack import Ear, Stack, wait_until

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.timeout(300),
    pytest.mark.skipif(
        not Path("/dev/nvidiactl").exists() or shutil.which("nvidia-smi") is None,
        reason="hardware absent: no NVIDIA GPU on this machine",
    ),
    pytest.mark.skipif(find_spec("torch") is None, reason="library absent: torch; pip install torch"),
]

MODEL, PROCESS = "torch-under-load", "wf-torch-load"
GPU = "gpu:0"
MEASURED_S = 20
WITHIN = 0.05
# First: nvidia-smi's and torch's order of GPUs are one.
ENVIRONMENT = {
    **os.environ,
    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
    "PYTHONPATH": f"{REPOSITORY}:{REPOSITORY}/proto:{REPOSITORY}/sdk",
}


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as running:
        yield running


def value(stack: Stack, metric: str, source: str, stat: str, window: str, time_us: int = 0, **labels: str) -> float:
    """The sum over the series of a metric that have these labels; NaN where none has a value."""
    selector = Selector(metric=metric, source=source, labels=[{"name": n, "value": v} for n, v in labels.items()])
    asked = QueryInstantRequest(selector=selector, stat=stat, window=window, time_us=time_us)
    with grpc.insecure_channel(f"unix:{stack.home.socket('aggregator')}") as channel:
        answer = MetricsServiceStub(channel).QueryInstant(asked, timeout=10, wait_for_ready=True)
    found = [one for told in answer.values for one in told.values if math.isfinite(one)]
    return sum(found) if found else math.nan


@contextmanager
def load(stack: Stack) -> Iterator[int]:
    """The torch process at work; its pid."""
    command = [sys.executable, "tests/collector/torch_load.py", str(stack.home.root), MODEL, PROCESS]
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=ENVIRONMENT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n"
            yield process.pid
            process.stdin.close()
            assert process.wait(30) == 0
        finally:
            process.kill()


def smi_for(seconds: float) -> tuple[float, float]:
    """(mean power in W, mean utilisation in %) of so long by nvidia-smi, ten times a second."""
    query = ["nvidia-smi", "--id=0", "--query-gpu=power.draw,utilization.gpu", "--format=csv,noheader,nounits"]
    with subprocess.Popen([*query, "--loop-ms=100"], stdout=subprocess.PIPE, text=True) as process:
        time.sleep(seconds)  # the span that is measured
        process.terminate()
        said, _ = process.communicate()
    rows = [[float(cell) for cell in row.split(",")] for row in said.splitlines() if row.count(",") == 1]
    assert len(rows) > 5 * seconds
    return mean(row[0] for row in rows), mean(row[1] for row in rows)


def smi_vram_bytes(pid: int) -> float:
    """What nvidia-smi says that a process holds. It knows pids of the host alone: in a container the one there is."""
    query = ["nvidia-smi", "--id=0", "--query-compute-apps=pid,used_memory", "--format=csv,noheader,nounits"]
    said = subprocess.run(query, capture_output=True, text=True, check=True).stdout
    held = {int(row.split(",")[0]): float(row.split(",")[1]) * 2**20 for row in said.splitlines()}
    assert pid in held, f"nvidia-smi tells of {sorted(held)}, not of {pid}: another pid namespace?"
    return held[pid]


def test_power_load_vram_and_joules_of_a_torch_model(stack: Stack) -> None:
    def known(metric: str, source: str, **labels: str) -> bool:
        return math.isfinite(value(stack, metric, source, "last", "10s", **labels))

    wait_until(lambda: known("gpu.idle_power_w", GPU), 60, "the idle power to be learned: does the GPU rest?")
    idle_w = value(stack, "gpu.idle_power_w", GPU, "last", "10s")
    ear = Ear(stack.home, (topics.PROCESSES,))
    energy = {"metric": "model.energy_j", "source": f"model:{MODEL}", "stat": "last", "window": "10s", "type": "gpu"}
    with load(stack) as pid:
        wait_until(lambda: known("model.energy_j", f"model:{MODEL}", type="gpu"), 60, "the first joules of the model")
        began_us = wall_us()
        power_w, util_percent = smi_for(MEASURED_S)
        ended_us = wall_us()
        held_bytes = smi_vram_bytes(pid)
        seconds = (ended_us - began_us) / 1e6

        def vram_bytes() -> list[float]:
            with ear.changed:
                tables = [ProcessTable.FromString(payload) for _, payload in ear.messages[-3:]]
            rows = [row for table in tables for row in table.rows]
            return [row.vram_bytes for row in rows if row.name == PROCESS and math.isfinite(row.vram_bytes)]

        wait_until(lambda: bool(vram_bytes()), 30, f"{PROCESS} in the table of processes")
        ours_bytes = vram_bytes()[-1]
        # Both ends are read alike late, under the same load: what is closed four seconds later cancels out.
        ours_j = value(stack, time_us=ended_us, **energy) - value(stack, time_us=began_us, **energy)
        window = f"{MEASURED_S}s"
        ours_w = value(stack, "gpu.power_w", GPU, "avg", window, ended_us)
        ours_percent = value(stack, "gpu.util_percent", GPU, "avg", window, ended_us)
    ear.close()
    print(
        f"GPU, by us and by nvidia-smi: {ours_w:.1f} and {power_w:.1f} W, {ours_percent:.1f} and {util_percent:.1f} %, "
        f"{ours_bytes / 2**20:.0f} and {held_bytes / 2**20:.0f} MiB; the model {ours_j:.0f} J in {seconds:.1f} s, "
        f"{(power_w - idle_w) * seconds:.0f} J by nvidia-smi's power above {idle_w:.1f} W at rest"
    )
    assert ours_w == pytest.approx(power_w, rel=WITHIN)
    assert ours_percent == pytest.approx(util_percent, rel=WITHIN)
    assert ours_bytes == pytest.approx(held_bytes, rel=WITHIN)
    assert ours_j == pytest.approx((power_w - idle_w) * seconds, rel=WITHIN)
