"""What another program sends as custom:NAME, from the door through the whole stack and out again."""

import asyncio
import math
import time

import grpc
from wfmonitor.v1.metrics_service_pb2 import Selector, StandingQuery, WatchRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from tests.gateway.conftest import Page
from tests.gateway.test_http_api import WAIT_S, points

SOURCE = "custom:greenhouse"


async def send(page: Page) -> None:
    """A window holds it for 3 s, so a slow machine sends it again until it is seen."""
    event = {"ts": time.time() * 1000, "source": SOURCE, "kind": "usage", "fields": {"humidity": -61.5}}
    assert await page.post("/api/v1/ingest", event) == (200, {"accepted": 1})


async def test_a_field_of_another_program_is_listed_and_asked_and_exported(page: Page) -> None:
    await send(page)
    answer = await points(page, f"metric=custom.humidity&source={SOURCE}&last_s=60")
    assert answer["series"][0]["values"][0] == -61.5
    async with asyncio.timeout(WAIT_S):
        values: list[float | None] = [None]
        while values == [None]:
            await send(page)
            question = f"metric=humidity&source={SOURCE}&stat=max&window=5m"
            values = (await page.read(f"/api/v1/query_instant?{question}"))["values"][0]["values"]
    assert values == [-61.5]
    listed = await page.read("/api/v1/series?class=custom")
    assert [(one["key"]["metric"], one["key"]["source"]) for one in listed["series"]] == [("custom.humidity", SOURCE)]
    assert (await page.read("/api/v1/describe?metric=custom.humidity"))["metrics"][0]["privacy"] == "custom"
    for kind in ("text/plain", "application/openmetrics-text"):
        text = (await page.get("/metrics", Accept=kind))[1].decode()
        assert f'\nwfmonitor_custom_humidity{{source="{SOURCE}"}} -61.5\n' in text


async def test_a_field_of_another_program_is_watched(page: Page) -> None:
    query = StandingQuery(selector=Selector(metric="custom.humidity"), stat="last", window="5m")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{page.stack.home.ports.grpc}") as channel:
        bearer = (("authorization", page.headers["Authorization"]),)
        watch = MetricsServiceStub(channel).Watch(WatchRequest(queries=[query]), metadata=bearer, timeout=WAIT_S)
        seen = math.nan
        while math.isnan(seen):
            await send(page)
            value = await watch.read()
            seen = value.values[0] if value.values else math.nan
    assert (value.metric, seen) == ("custom.humidity", -61.5)
