"""The sampler whole: real watches on stand-ins, rows that wait for nobody, and what a machine without runtimes pays."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.collector.assembly import Assembly
from services.collector.guard import Guard
from services.collector.sampler import GpuShare, Machine
from services.collector.samplers import runtimes
from services.collector.samplers.runtimes import Runtimes
from tests.collector.runtime.standin_runtime import Page, StandIn, never, recorded

ROOT = Path(__file__).parents[3]


class Heard:
    """Events, and a wait for them."""

    def __init__(self) -> None:
        self.kinds: list[str] = []
        self.changed = threading.Condition()

    def __call__(self, kind: str, source: str, title: str, **attributes: str) -> None:
        with self.changed:
            self.kinds.append(kind)
            self.changed.notify_all()

    def wait_for(self, kind: str) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: kind in self.kinds, 60.0), f"no {kind} in {self.kinds}"


@pytest.fixture
def heard() -> Heard:
    return Heard()


Make = Callable[..., Runtimes]


@pytest.fixture
def make(heard: Heard, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[Runtimes] = []
    # This machine may run one at a usual port.
    monkeypatch.setattr(runtimes, "RUNTIMES", tuple((kind, ()) for kind, _ in runtimes.RUNTIMES))

    def sampler(*ports: int, gpu: GpuShare | None = None) -> Runtimes:
        settings: dict[str, object] = {
            "collector.sampler.runtime.ports": ", ".join(map(str, ports)),
            "collector.sampler.runtime.every_s": 0.5,
            "collector.sampler.runtime.idle_min": 0.001,
        }
        machine = Machine(proc=tmp_path, event=heard, setting=settings.get, gpu=gpu or GpuShare())
        made.append(Runtimes(machine))
        return made[-1]

    yield sampler
    for one in made:
        one.rest()


def vllm(name: str) -> dict[str, Page | bytes]:
    listed = {"data": [{"id": name, "owned_by": "vllm"}]}
    return {
        "/version": b'{"version":"0.11.0"}',
        "/v1/models": json.dumps(listed).encode(),
        "/metrics": recorded("vllm_0.11_1.txt").replace(b"Qwen/Qwen3-8B", name.encode()),
    }


def test_rows_of_two_runtimes_and_their_end(make: Make, heard: Heard) -> None:
    with StandIn(vllm("a"), never) as one, StandIn(vllm("b/c:d"), never) as other:
        sampler = make(one.port, other.port)
        with heard.changed:
            assert heard.changed.wait_for(lambda: heard.kinds.count("runtime_come") == 2, 60.0)
        assembly = Assembly([Guard(sampler, lambda text, name, error: None)])
        rows = {row.source: row for row in assembly.rows(time.monotonic())}
        assert set(rows) == {"model:a", "model:b/c:d"}
        values = {
            str(column): value for column, value in zip(rows["model:a"].columns, rows["model:a"].values, strict=True)
        }
        assert values["model.tokens_total[runtime=vllm]@model:a"] == 5000.0
        assert "vllm at port" in sampler.detail
        columns = sampler.columns()
        sampler.read(time.monotonic())
        assert sampler.columns() is columns, "the same tuple while nothing changed"
        later = sampler.read(time.monotonic() + 60.0)
        assert all(math.isnan(value) for value in later), "what is not fresh is not known"
        other.close()
        heard.wait_for("runtime_gone")
        sampler.read(time.monotonic())
        assert {column.source for column in sampler.columns()} == {"model:a"}


def test_switched_off_asks_nobody_any_more(make: Make, heard: Heard) -> None:
    with StandIn(vllm("a"), never) as runtime:
        sampler = make(runtime.port)
        heard.wait_for("runtime_come")
        (watch,) = sampler._finder.watches
        sampler.rest()
        watch.join(5.0)
        runtime.paths()
        assert not watch._thread.is_alive()
        assert runtime.paths() == []


def test_memory_on_the_gpu_is_added_over_the_processes_of_a_runtime(make: Make, heard: Heard, tmp_path: Path) -> None:
    for pid, parent in ((50, 1), (51, 50), (52, 1)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (vllm) S {parent} 1")
    gpu = GpuShare()
    gpu.by_pid = {50: (10.0, 1e9), 51: (30.0, 4e9), 52: (60.0, 7e9)}
    gpu.by_gpu = {"gpu:0": {50: (10.0, 1e9), 51: (5.0, 1e9)}, "gpu:1": {51: (25.0, 3e9), 52: (60.0, 7e9)}}
    with StandIn(vllm("a"), never) as runtime:
        sampler = make(runtime.port, gpu=gpu)
        heard.wait_for("runtime_come")
        (watch,) = sampler._finder.watches
        object.__setattr__(watch.candidate, "pid", 50)
        values = dict(zip(map(str, sampler.columns()), sampler.read(time.monotonic()), strict=False))
        values = dict(zip(map(str, sampler.columns()), sampler.read(time.monotonic()), strict=True))
    assert values["model.vram_bytes[runtime=vllm]@model:a"] == 5e9
    assert values["model.gpu_util_percent[runtime=vllm]@model:a"] == 40.0
    assert values["model.gpu_each_util_percent[device=gpu:0][runtime=vllm]@model:a"] == 15.0
    assert values["model.gpu_each_util_percent[device=gpu:1][runtime=vllm]@model:a"] == 25.0


@pytest.mark.parametrize("began", [1.76e9, 1.75e9])
def test_a_container_is_known_by_when_it_began_and_one_that_is_not_is_said(
    make: Make, heard: Heard, tmp_path: Path, began: float
) -> None:
    """The proxy that listens tells nothing of what is behind it: no candidate has a process."""
    (tmp_path / "stat").write_text(f"btime {began - 50:.0f}\n")
    for pid, parent in ((60, 1), (61, 60)):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "comm").write_text("vllm\n")
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (vllm) S {parent} " + "0 " * 17 + "5000 0")
    gpu = GpuShare()
    gpu.by_pid = {61: (30.0, 4e9), 62: (60.0, 7e9)}
    with StandIn(vllm("a"), never) as runtime:
        sampler = make(runtime.port, gpu=gpu)
        heard.wait_for("runtime_come")
        sampler.read(time.monotonic())
        values = dict(zip(map(str, sampler.columns()), sampler.read(time.monotonic()), strict=True))
        hidden = "its processes are not known" in sampler.detail
    known = began == 1.76e9  # as the stand-in's page says
    assert values.get("model.vram_bytes[runtime=vllm]@model:a") == (4e9 if known else None)
    assert values.get("model.gpu_util_percent[runtime=vllm]@model:a") == (30.0 if known else None)
    assert hidden is not known


def test_idle_model_is_known_by_the_taps_requests_where_its_runtime_is_silent(make: Make, heard: Heard) -> None:
    gpu = GpuShare()
    gpu.by_pid = {50: (0.0, 6e9)}
    owner = b'{"object":"list","data":[{"id":"m","owned_by":"organization_owner"}]}'
    pages = {"/v1/models": owner, "/api/v1/models": recorded("lm_studio_0.4_models.json")}
    with StandIn(dict(pages), never) as runtime:
        sampler = make(runtime.port, gpu=gpu)
        heard.wait_for("model_info")
        (watch,) = sampler._finder.watches
        object.__setattr__(watch.candidate, "pid", 50)
        now_s = time.monotonic()
        sampler.read(now_s)
        sampler._machine.asked.hear("google/gemma-4-26b-a4b", "lm-studio", now_s, None)
        sampler.read(now_s)
        assert "model_idle" not in heard.kinds
        sampler.read(now_s + 0.1)
        heard.wait_for("model_idle")


IDLE = """
import sys, time, resource
from pathlib import Path
import services.collector.samplers
from services.collector.sampler import Machine
from services.collector.samplers.runtimes import Runtimes
def pss():
    return int(next(line for line in open("/proc/self/smaps_rollup") if line.startswith("Pss:")).split()[1])
before = pss()
sampler = Runtimes(Machine())
finder = sampler._finder
for _ in range(3): finder.look(time.monotonic())
began = time.process_time()
for _ in range(50): finder.look(time.monotonic())
look = (time.process_time() - began) / 50
began = time.process_time()
for _ in range(500): sampler.read(time.monotonic())
read = (time.process_time() - began) / 500
print(look, read, pss() - before, "prometheus_client" in sys.modules, len(finder.watches))
"""


def test_machine_without_runtimes_pays_next_to_nothing() -> None:
    """At most 0.05 % of a core and 2 MB: a look each 10 s, a row each second. No exposition parser is loaded."""
    done = subprocess.run(
        [sys.executable, "-c", IDLE],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"PYTHONPATH": f"{ROOT}:{ROOT}/proto"},
    )
    look_s, read_s, kilobytes, parser, watches = done.stdout.split()
    if watches != "0":
        pytest.skip("hardware absent: a machine on which no model runtime runs")
    if float(look_s) / 10.0 + float(read_s) > 0.0005:
        pytest.fail(f"a look costs {float(look_s) * 1e3:.2f} ms, a row {float(read_s) * 1e6:.0f} µs")
    assert int(kilobytes) < 2048
    assert parser == "False"
