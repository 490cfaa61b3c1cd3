"""A program that pretends to be a runtime: bounded in what it can make us keep, and in what it can make us compute."""

from __future__ import annotations

import contextlib
import json
import math
import time

import pytest

from services.collector.runtime import exposition
from services.collector.runtime.candidates import Candidate
from services.collector.runtime.door import Faulty
from services.collector.runtime.finder import identify
from services.collector.runtime.reading import MOST_MODELS, Reading
from services.collector.samplers.runtime import RUNTIMES
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


DEEP = b'{"data":[{"x":' + b"[" * 100_000
NO_UTF8 = b'{"data":[{"id":"m","owned_by":"\xff"}]}'


@pytest.mark.parametrize("hint", ["", "tgi", "lm-studio", "ollama"])
@pytest.mark.parametrize("body", [DEEP, NO_UTF8, b'{"model_id":"\xff","max_total_tokens":1}'])
def test_who_answers_with_odd_json_is_no_runtime_and_keeps_no_other_from_being_found(hint: str, body: bytes) -> None:
    pages = dict.fromkeys(("/v1/models", "/api/v1/models", "/api/version", "/info", "/metrics"), body)
    with StandIn(dict(pages), never) as server:
        assert identify(Candidate(server.port, hint=hint), RUNTIMES) is None
    with StandIn({**pages, "/ready": b""}, never) as server:
        for kind in (kind(Candidate(server.port)) for kind, _ in RUNTIMES):
            with contextlib.suppress(Faulty):
                kind.look(server.door, 0.0)


def test_a_number_of_hundreds_of_digits_costs_only_its_line() -> None:
    page = exposition.read(b"x:a %b\nx:b 2\n" % (b"9" * 400), ("x:",))
    assert {name: [point.value for point in points] for name, points in page.items()} == {"x:b": [2.0]}


@pytest.mark.parametrize("end", ["\u2028", "\x0b", "\x1c", "\x85", "\r"])
def test_a_name_begins_no_line_of_its_own(end: str) -> None:
    body = f'x:a{{name="m{end}x:b 7 "}} 1\n'.encode()
    page = exposition.read(body, ("x:",))
    assert [point.labels["name"] for point in page["x:a"]] == [f"m{end}x:b 7 "]
    assert list(page) == ["x:a"]


def test_infinite_values_and_odd_names_do_not_get_through() -> None:
    reading = Reading("vllm")
    reading.put("a\nb\x1b[2J", "requests_running", math.inf)
    reading.put("a\nb\x1b[2J", "ttft_ms", -3.0)
    ((name, model),) = reading.models.items()
    assert name == "a?b?[2J"
    assert all(math.isnan(value) for value in model.values.values())
