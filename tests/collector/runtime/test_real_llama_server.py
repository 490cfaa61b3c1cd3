"""llama.cpp's own server: its numbers are those of its own answers, and looking leaves it asleep and unloaded."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest

from services.collector.runtime.candidates import Candidate
from services.collector.runtime.door import Door
from services.collector.runtime.finder import identify
from services.collector.runtime.on_gpu import OnGpu
from services.collector.runtime.processes import Processes
from services.collector.runtime.reading import Reading
from services.collector.sampler import GpuShare
from services.collector.samplers.runtime import RUNTIMES
from services.collector.samplers.runtime.llama_server import LlamaServer
from tests.collector.runtime.real_llama import MODEL, SERVER, complete, get, needs_llama_cpp, running
from tests.collector.runtime.values import told
from tests.stack import free_port

pytestmark = needs_llama_cpp

COMMAND = (SERVER, "--host", "127.0.0.1", "--threads", "1", "--parallel", "2", "--ctx-size", "2048")


def candidate_of(pid: int) -> Candidate:
    processes = Processes(Path("/proc"))
    (found,) = (one for one in processes.candidates(processes.names()) if one.pid == pid)
    return found


def look_until(kind: LlamaServer, door: Door, wanted: Callable[[Reading], bool], what: str) -> Reading:
    deadline_s = time.monotonic() + 30.0
    while True:
        reading = kind.look(door, time.monotonic())
        if wanted(reading):
            return reading
        assert time.monotonic() < deadline_s, f"no {what}: {reading}"
        time.sleep(0.2)


def test_speed_and_counts_are_those_of_its_own_timings() -> None:
    port = free_port()
    with running([*COMMAND, "-m", MODEL, "--metrics", "--port", str(port)], port, "/health") as process:
        candidate = candidate_of(process.pid)
        assert candidate.port == port
        found = identify(candidate, RUNTIMES)
        assert found is not None
        assert found.name == "llama.cpp"
        kind, door = LlamaServer(candidate), Door(port)
        before = kind.look(door, time.monotonic())
        (name,) = before.models
        assert "/" not in name
        timings = complete(port, prompt="a b c d " * 60, n_predict=150, ignore_eos=True)["timings"]
        values = told(kind.look(door, time.monotonic()))
        assert values["tokens_total"] - told(before)["tokens_total"] == timings["predicted_n"] > 50
        own = 1000.0 * timings["predicted_n"] / timings["predicted_ms"]
        assert values["tps[type=stream]"] == pytest.approx(own, rel=0.02)
        assert values["prompt_tps[type=stream]"] == pytest.approx(timings["prompt_per_second"], rel=0.1)
        assert int(before.models[name].info["context_length"]) >= 1024


def test_sleeper_is_neither_kept_awake_nor_woken() -> None:
    port = free_port()
    sleeps = ("--sleep-idle-seconds", "2")
    with running([*COMMAND, "-m", MODEL, "--metrics", *sleeps, "--port", str(port)], port, "/health") as process:
        kind, door = LlamaServer(candidate_of(process.pid)), Door(port)
        complete(port, n_predict=5)
        look_until(kind, door, lambda reading: any(model.asleep for model in reading.models.values()), "sleep")
        for _ in range(10):
            kind.look(door, time.monotonic())
        assert json.loads(get(port, "/props")[1])["is_sleeping"] is True


def test_models_of_a_router_are_told_apart_by_its_processes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copy(MODEL, tmp_path / f"{name}.gguf")
    port = free_port()
    with running([*COMMAND, "--models-dir", tmp_path, "--port", str(port)], port, "/health") as router:
        for name in ("one", "two"):
            complete(port, model=name, n_predict=1)
        held = {child.pid: (5.0, child.memory_info().rss * 1.0) for child in psutil.Process(router.pid).children()}
        assert len(held) == 2
        gpu = GpuShare()
        gpu.by_pid = held | {os.getpid(): (1.0, 1.0)}
        found = OnGpu(gpu, Processes(Path("/proc"))).of(Candidate(port, pid=router.pid), "llama.cpp", {"one", "two"})
    memory = {name: value for name, told in found.items() for series, value in told.items() if "vram" in series.metric}
    assert memory.keys() == {"one", "two"}
    assert sorted(memory.values()) == sorted(value for _, value in held.values())


def test_server_without_metrics_is_read_by_its_slots() -> None:
    port = free_port()
    with running([*COMMAND, "-m", MODEL, "--port", str(port)], port, "/health") as process:
        kind, door = LlamaServer(candidate_of(process.pid)), Door(port)
        before = kind.look(door, time.monotonic())
        (name,) = before.models
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(complete, port, n_predict=1500, ignore_eos=True)
            computing = look_until(
                kind, door, lambda reading: told(reading, name)["requests_running"] == 1.0, "request"
            )
            assert 0.0 < told(computing, name)["context_used_ratio"] <= 1.0
            asked.result()
        after = look_until(kind, door, lambda reading: told(reading, name)["requests_running"] == 0.0, "end")
        complete(port, n_predict=1)
        later = kind.look(door, time.monotonic())
        used = [reading.models[name].used for reading in (before, computing, after, later)]
        assert None not in used
        assert len(set(used)) == 4


def test_router_has_loaded_nothing_after_many_looks(tmp_path: Path) -> None:
    for name in ("one", "two"):
        shutil.copy(MODEL, tmp_path / f"{name}.gguf")
    port = free_port()
    with running([*COMMAND, "--models-dir", tmp_path, "--metrics", "--port", str(port)], port, "/health") as process:
        kind, door = LlamaServer(candidate_of(process.pid)), Door(port)
        for _ in range(10):
            assert kind.look(door, time.monotonic()).models == {}
        listed = json.loads(get(port, "/models")[1])["data"]
        assert {model["status"]["value"] for model in listed} == {"unloaded"}
        complete(port, model="one", n_predict=20)
        reading = look_until(kind, door, lambda reading: "one" in reading.models, "model")
        assert told(reading, "one")["tokens_total"] == 20.0
        assert set(reading.models) == {"one"}
        listed = json.loads(get(port, "/models")[1])["data"]
        assert {model["id"]: model["status"]["value"] for model in listed}["two"] == "unloaded"
        heads = [one.pid for one in Processes(Path("/proc")).candidates(Processes(Path("/proc")).names())]
        assert process.pid in heads
        assert all(pid == process.pid or process.pid not in Processes(Path("/proc")).ancestors(pid) for pid in heads)
