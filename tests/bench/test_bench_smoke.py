"""The bench runs from its command line to its file, on the real stack."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from bus.home import REPOSITORY
from tests.bench.harness.figure import Figure, Outcome, Reference


@pytest.mark.long
def test_two_cheap_figures_end_in_a_table_and_a_file(tmp_path: Path) -> None:
    result = tmp_path / "result.json"
    command = [sys.executable, "-m", "tests.bench", "--quick", "--rounds", "2", "--output", str(result)]
    done = subprocess.run(
        [*command, "--only", "idle_memory", "--only", "client_latency"],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": ".:proto", "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    figures = {figure["name"]: figure for figure in json.loads(result.read_text())["figures"]}
    assert not figures["idle_memory"]["missing"], done.stderr
    assert not figures["client_latency"]["missing"], done.stderr
    assert 50 < figures["idle_memory"]["ours"] < 500
    assert figures["client_latency"]["ours"] > 0
    assert figures["client_latency"]["references"]["bare socket"]["value"] > 0
    assert "sample to WebSocket client" in done.stdout


def test_an_unknown_figure_names_the_nearest() -> None:
    command = [sys.executable, "-m", "tests.bench", "--only", "idle_cpus"]
    env = {**os.environ, "PYTHONPATH": ".:proto"}
    done = subprocess.run(command, cwd=REPOSITORY, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode != 0
    assert "did you mean idle_cpu?" in done.stderr


@pytest.mark.parametrize(
    ("ours", "floor", "holds_by"),
    [
        (0.9, 9.0, "bar"),  # the bar holds, whatever the floor does
        (4.0, 3.0, "reference"),  # the machine misses the bar itself, ours is within 1.25 x + 0.5
        (4.3, 3.0, "no"),
        (1.1, 0.8, "no"),  # the machine can, so must we
    ],
)
def test_a_floor_excuses_only_what_the_machine_cannot(ours: float, floor: float, holds_by: str) -> None:
    figure = Figure("x", "x", "ms", lambda _: 0.0, bar=1.0, references=(Reference("bare", lambda _: 0.0, "floor"),))
    assert Outcome(figure, [ours], {"bare": [floor]}, {}).holds_by == holds_by


@pytest.mark.parametrize(
    ("peers", "holds_by"),
    [({"a": [2.0], "b": [3.0]}, "reference"), ({"a": [0.5], "b": [3.0]}, "no"), ({}, "not measured")],
)
def test_a_figure_against_peers_must_not_lose_to_any_that_is_installed(
    peers: dict[str, list[float]], holds_by: str
) -> None:
    references = tuple(Reference(name, lambda _: 0.0, "peer") for name in ("a", "b"))
    figure = Figure("x", "x", "µs", lambda _: 0.0, references=references)
    assert Outcome(figure, [1.0], peers, {}).holds_by == holds_by
