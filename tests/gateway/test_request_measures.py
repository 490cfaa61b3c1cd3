"""Requests through the tap and of a program, all the way: their own figures as windows and on `/metrics`."""

from __future__ import annotations

import json
import math
import re
import time
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from wfmonitor.v1 import metrics_service_pb2 as pb
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from bus.rpc import open_channel
from tests.gateway.conftest import Page
from tests.stack import Stack
from tests.tap.conftest import Runtime, set_value
from tests.waiting import until

MODEL = "measured-here"
SOURCE = f"model:{MODEL}"
WAITS_MS = (5, 60, 120, 30)
SDK_TTFT_MS = 4321.0


@pytest.fixture(scope="module")
def runtime(stack: Stack) -> Iterator[Runtime]:
    started = Runtime(owner="vllm")  # which may serve a model of any name
    set_value(stack, "tap.find", False)
    set_value(stack, "tap.routes", json.dumps({"": started.url}))
    yield started
    started.kill()


async def generate(page: Page, **script: Any) -> None:
    """A streamed generation through the tap, read to its end."""
    url = f"http://127.0.0.1:{page.stack.home.ports.tap}/v1/chat/completions"
    body = {"model": MODEL, "stream": True, "stream_options": {"include_usage": True}}
    async with page.http.post(url, json=body, headers={"X-Script": json.dumps(script)}) as answer:
        await answer.read()


async def told_by_program(page: Page) -> None:
    """A generation that a program measured of its own model, as the SDK sends it."""
    request = {
        "id": str(uuid.uuid4()), "model": MODEL, "start_us": round(time.time() * 1e6) - 5_000_000,
        "ttft_ms": SDK_TTFT_MS, "e2e_ms": 4900.0, "finish_reason": "length",
    }  # fmt: skip
    status, answer = await page.post("/api/v1/tokens", {"requests": [request]})
    assert (status, answer) == (200, {"bursts": 0, "requests": 1})


async def records(page: Page, count: int) -> list[Any]:
    """The records that were kept of the model, once there are `count`."""

    async def kept() -> list[Any]:
        found = (await page.read(f"/api/v1/requests?model={MODEL}&limit=1000"))["requests"]
        return found if len(found) == count else []

    return await until(kept)


def nearest_rank(values: list[float], percent: int) -> float:
    ordered = sorted(values)
    return ordered[math.ceil(len(ordered) * percent / 100) - 1]


async def instant(
    page: Page, metric: str, stat: str, window: str, label: str = "type=request", in_s: float = 0.0
) -> float | None:
    """The one value of the model's series with this label, of a window that ends in so many seconds; None: absent."""
    asked = f"metric={metric}&source={SOURCE}&label={label}&stat={stat}&window={window}"
    time_us = round((time.time() + in_s) * 1e6)
    (answer,) = (await page.read(f"/api/v1/query_instant?{asked}&time_us={time_us}"))["values"]
    assert len(answer["values"]) <= 1
    return answer["values"][0] if answer["values"] else None


async def watched(page: Page, metric: str, stat: str, window: str) -> float:
    """The next value that a standing query tells of the model's series of requests."""
    selector = pb.Selector(metric=metric, source=SOURCE)
    asked = pb.WatchRequest(queries=[pb.StandingQuery(selector=selector, stat=stat, window=window)])
    async with open_channel(page.stack.home, "aggregator") as channel:
        async for value in MetricsServiceStub(channel).Watch(asked, timeout=60):
            for key, number in zip(value.series, value.values, strict=True):
                if [(one.name, one.value) for one in key.labels] == [("type", "request")]:
                    return float(number)
    raise AssertionError("the watch ended")


def exposed(text: str, name: str) -> dict[str, float]:
    """Labels → value of the model's lines of one family of `/metrics`."""
    pattern = rf'^{name}\{{source="{SOURCE}",(.*)\}} (\S+)$'
    return {labels: float(value) for labels, value in re.findall(pattern, text, re.MULTILINE)}


@pytest.mark.usefixtures("runtime")
async def test_each_request_is_a_sample_of_its_models_series(page: Page) -> None:
    for wait_ms in WAITS_MS:
        await generate(page, wait_ms=wait_ms, tokens=6, gap_ms=3)
    await generate(page, status=500)
    await told_by_program(page)
    kept = await records(page, len(WAITS_MS) + 2)
    ttft = [round(record["ttft_ms"], 3) for record in kept if record["ttft_ms"] is not None]
    assert len(ttft) == len(WAITS_MS) + 1
    assert SDK_TTFT_MS in ttft

    async def all_are_counted() -> bool:
        return await instant(page, "model.ttft_ms", "count", "5m") == len(ttft)

    await until(all_are_counted)
    for stat, percent in (("p50", 50), ("p95", 95)):
        assert await instant(page, "model.ttft_ms", stat, "5m") == nearest_rank(ttft, percent)
        # A minute on a reading would be too old to stand for now; what happened still lies in the window.
        assert await instant(page, "model.ttft_ms", stat, "5m", in_s=60) == nearest_rank(ttft, percent)
        assert await watched(page, "model.ttft_ms", stat, "5m") == nearest_rank(ttft, percent)
    went_well = [round(record["e2e_ms"], 3) for record in kept if record["finish_reason"] != "error"]
    assert await instant(page, "model.e2e_ms", "max", "5m") == max(went_well)
    longest = [round(record["itl_max_ms"], 3) for record in kept if record["itl_max_ms"] is not None]
    assert await instant(page, "model.itl_ms", "max", "5m", "type=request_max") == max(longest)
    # At the record's own time, not when it was heard of.
    rows = await page.read(f"/api/v1/query_range?metric=model.ttft_ms&source={SOURCE}&label=type=request&last_s=300")
    ended_us = sorted(record["start_us"] + record["e2e_ms"] * 1e3 for record in kept if record["ttft_ms"] is not None)
    (series,) = rows["series"]
    assert sorted(series["times_us"]) == pytest.approx(ended_us, abs=200_000, rel=0)

    text = (await page.get("/metrics"))[1].decode()
    assert exposed(text, "wfmonitor_model_requests_total") == {
        f'reason="{reason}",type="request"': count
        for reason, count in {"stop": 4, "length": 1, "tool": 0, "abort": 0, "error": 1, "other": 0}.items()
    }
    assert exposed(text, "wfmonitor_model_errors_total") == {'type="request"': 1}
    counted = sum(record["output_tokens"] or 0 for record in kept)
    assert exposed(text, "wfmonitor_model_tokens_total")['type="request"'] == counted
    assert exposed(text, "wfmonitor_model_time_to_first_token_seconds") == {'type="request"': SDK_TTFT_MS / 1e3}
