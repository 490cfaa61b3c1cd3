"""Whose the processes on a GPU are."""

from __future__ import annotations

from pathlib import Path

import pytest

from services.collector.runtime.candidates import Candidate
from services.collector.runtime.on_gpu import OnGpu
from services.collector.runtime.processes import Processes
from services.collector.sampler import GpuShare


def memory(proc: Path, runtime: str, *awake: str) -> dict[str, float]:
    gpu = GpuShare()
    gpu.by_pid = {51: (10.0, 1e9), 52: (30.0, 4e9), 53: (60.0, 7e9)}
    found = OnGpu(gpu, Processes(proc)).of(Candidate(8080, pid=50), runtime, awake)
    return {name: value for name, told in found.items() for series, value in told.items() if "vram" in series.metric}


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    """A router of two models, one of which is being loaded, and a server of somebody else."""
    for pid, parent, arguments in (
        (50, 1, "llama-server --models-dir /m"),
        (51, 50, "llama-server --port 4001 --alias org/one:Q4 -m /m/one.gguf"),
        (52, 50, "llama-server --port 4002 -m /m/two.gguf -a two"),
        (53, 1, "llama-server --alias org/one:Q4"),
    ):
        (tmp_path / str(pid)).mkdir()
        (tmp_path / str(pid) / "stat").write_text(f"{pid} (llama-server) S {parent} 1")
        (tmp_path / str(pid) / "cmdline").write_text("\0".join([*arguments.split(), ""]))
    return tmp_path


def test_each_model_of_a_router_has_the_memory_of_its_own_process(proc: Path) -> None:
    assert memory(proc, "llama.cpp", "org/one:Q4", "two") == {"org/one:Q4": 1e9, "two": 4e9}


def test_what_another_model_takes_while_it_is_loaded_is_not_the_first_ones(proc: Path) -> None:
    assert memory(proc, "llama.cpp", "org/one:Q4") == {"org/one:Q4": 1e9}


def test_models_that_share_their_processes_are_not_told_apart(proc: Path) -> None:
    assert memory(proc, "lm-studio", "a", "b") == {}
    assert memory(proc, "lm-studio", "a") == {"a": 5e9}
