"""What another program sends as custom:NAME, from the door through the whole stack and out again."""

import time

import grpc
from wfmonitor.v1.metrics_service_pb2 import Selector, StandingQuery, WatchRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from tests.gateway.conftest import Page
from tests.gateway.test_http_api import WAIT_S, points


async def test_a_field_of_another_program_is_listed_asked_watched_and_exported(page: Page) -> None:
    source = "custom:greenhouse"
    event = {"ts": time.time() * 1000, "source": source, "kind": "usage", "fields": {"humidity": -61.5}}
    assert await page.post("/api/v1/ingest", event) == (200, {"accepted": 1})
    answer = await points(page, f"metric=custom.humidity&source={source}&last_s=60")
    assert [one["values"] for one in answer["series"]] == [[-61.5]]
    now = await page.read(f"/api/v1/query_instant?metric=humidity&source={source}&stat=max&window=5m")
    assert now["values"][0]["values"] == [-61.5]
    listed = await page.read("/api/v1/series?class=custom")
    assert [(one["key"]["metric"], one["key"]["source"]) for one in listed["series"]] == [("custom.humidity", source)]
    assert (await page.read("/api/v1/describe?metric=custom.humidity"))["metrics"][0]["privacy"] == "custom"
    for kind in ("text/plain", "application/openmetrics-text"):
        text = (await page.get("/metrics", Accept=kind))[1].decode()
        assert f'\nwfmonitor_custom_humidity{{source="{source}"}} -61.5\n' in text
    query = StandingQuery(selector=Selector(metric="custom.humidity"), stat="count", window="5m")
    async with grpc.aio.insecure_channel(f"127.0.0.1:{page.stack.home.ports.grpc}") as channel:
        bearer = (("authorization", page.headers["Authorization"]),)
        watch = MetricsServiceStub(channel).Watch(WatchRequest(queries=[query]), metadata=bearer, timeout=WAIT_S)
        while not (value := await watch.read()).values:
            pass
    assert (value.metric, list(value.values)) == ("custom.humidity", [1.0])
