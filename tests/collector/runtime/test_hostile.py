"""A program that pretends to be a runtime: bounded in what it can make us keep, and in what it can make us compute."""

from __future__ import annotations

import json
import math
import time

import pytest

from services.collector.runtime import exposition
from services.collector.runtime.candidates import Candidate
from services.collector.runtime.door import Faulty
from services.collector.runtime.reading import MOST_MODELS, Reading
from services.collector.samplers.runtime.lm_studio import LmStudio
from services.collector.samplers.runtime.vllm import Vllm
from tests.collector.runtime.standin_runtime import StandIn, never


def test_thousands_of_models_are_not_all_kept() -> None:
    names = [f"m{i}" for i in range(5000)]
    metrics = "".join(f'vllm:num_requests_running{{model_name="{name}"}} 1\n' for name in names)
    pages = {
        "/version": b'{"version":"1"}',
        "/v1/models": json.dumps({"data": [{"id": name} for name in names]}).encode(),
        "/metrics": metrics.encode(),
    }
    with StandIn(dict(pages), never) as runtime:
        reading = Vllm(Candidate(runtime.port)).look(runtime.door, 0.0)
    assert len(reading.models) == MOST_MODELS
    assert "left out" in reading.note


def test_page_of_four_mebibytes_is_read_in_part() -> None:
    body = b'vllm:num_requests_running{model_name="a",x="%s"} 1\n' % (b"y" * 100)
    began_s = time.thread_time()
    page = exposition.read(body * (4 * 1024 * 1024 // len(body)), ("vllm:",))
    assert len(page["vllm:num_requests_running"]) <= exposition.MOST_CHARACTERS / (len(body) - 1)
    assert time.thread_time() - began_s < 5.0


@pytest.mark.parametrize(
    "body", [b"[" * 100_000, b'{"models":[{"key":7}]}', b"\xff", b'{"models":"' + b"x" * 10_000, b"null", b""]
)
def test_odd_json_is_a_fault_and_is_not_repeated(body: bytes) -> None:
    with StandIn({"/api/v1/models": body}, never) as runtime, pytest.raises(Faulty) as raised:
        LmStudio(Candidate(runtime.port)).look(runtime.door, 0.0)
    assert "xxx" not in str(raised.value)


def test_infinite_values_and_odd_names_do_not_get_through() -> None:
    reading = Reading("vllm")
    reading.put("a\nb\x1b[2J", "requests_running", math.inf)
    ((name, model),) = reading.models.items()
    assert name == "a?b?[2J"
    assert all(math.isnan(value) for value in model.values.values())
