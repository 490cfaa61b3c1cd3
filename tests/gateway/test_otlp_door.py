"""The OTLP port of a running stack: opened and closed live, its token, strangers, a number's way to its series."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from wfmonitor.v1.health_pb2 import ServiceState

from services.gateway.otlp.wire import MAX_BYTES, PROTOBUF
from tests.gateway.conftest import Page
from tests.gateway.otlp.messages import CHAT, gauge, histogram, number, request
from tests.stack import Stack, free_port, wait_until

WITHIN_S = 30.0


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def until(seen: Callable[[], bool], what: str) -> None:
    await asyncio.to_thread(wait_until, seen, WITHIN_S, what)


async def change(page: Page, **values: object) -> None:
    for key, value in values.items():
        status, answer = await page.post("/api/v1/settings", {"key": f"otlp.{key}", "value": value})
        assert status == 200, answer


class Sender:
    """An exporter with the token, as OTEL_EXPORTER_OTLP_HEADERS gives it one."""

    def __init__(self, page: Page, port: int) -> None:
        self.page, self.port = page, port
        self.url = f"http://127.0.0.1:{port}/v1/metrics"
        self.headers = {"Authorization": page.headers["Authorization"], "Content-Type": PROTOBUF}

    async def send(self, body: bytes, method: str = "POST", url: str = "", **headers: str | None) -> tuple[int, bytes]:
        sent = self.headers | {name.replace("_", "-"): value for name, value in headers.items() if value is not None}
        for name, value in headers.items():
            if value is None:
                sent.pop(name.replace("_", "-"))
        async with self.page.http.request(method, url or self.url, headers=sent, data=body) as answer:
            return answer.status, await answer.read()


@pytest.fixture
async def sender(page: Page) -> AsyncIterator[Sender]:
    port = free_port()
    await change(page, port=port, enabled=True)
    await until(lambda: listens(port), "the OTLP port to open")
    yield Sender(page, port)
    await change(page, enabled=False, require_token=True)
    await until(lambda: not listens(port), "the OTLP port to close")


def now_us() -> int:
    return time.time_ns() // 1000


def durations(model: str) -> ExportMetricsServiceRequest:
    at_us = now_us()
    told = CHAT | {"gen_ai.request.model": model}
    name = "gen_ai.client.operation.duration"
    return request(histogram(name, "s", [0.3, 0.5], told, at_us=at_us, start_us=at_us - 5_000_000, delta=True))


async def newest(page: Page, metric: str, source: str) -> list[dict[str, Any]]:
    found = await page.read(f"/api/v1/series?metric={metric}")
    return [one for one in found["series"] if one["key"]["source"] == source and one["newest"] is not None]


async def test_what_is_sent_stands_in_its_series(page: Page, sender: Sender) -> None:
    status, body = await sender.send(gzip.compress(durations("otlp-a").SerializeToString()), Content_Encoding="gzip")
    assert (status, body) == (200, b"")
    deadline = asyncio.get_running_loop().time() + WITHIN_S
    while len(found := await newest(page, "model.e2e_ms", "model:otlp-a")) < 4:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)
    kinds = {label["value"] for series in found for label in series["key"]["labels"] if label["name"] == "type"}
    assert kinds == {"mean", "p50", "p95", "p99"}


async def test_json_is_answered_in_json_and_says_what_it_rejected(sender: Sender) -> None:
    body = json.dumps(
        {"resourceMetrics": [{"scopeMetrics": [{"metrics": [
            {"name": "app.cats", "gauge": {"dataPoints": [{"asInt": "3", "timeUnixNano": str(now_us() * 1000)}]}}
        ]}]}]}
    ).encode()  # fmt: skip
    status, answer = await sender.send(body, Content_Type="application/json")
    assert status == 200
    told = json.loads(answer)["partialSuccess"]
    assert told["rejectedDataPoints"] == "1"
    assert "app.cats" in told["errorMessage"]


async def test_attacks_are_turned_away_by_name(sender: Sender) -> None:
    good = durations("otlp-b").SerializeToString()
    bomb = gzip.compress(bytes(MAX_BYTES * 4))
    tried: list[tuple[int, bytes, dict[str, str | None]]] = [
        (401, good, {"Authorization": None}),
        (401, good, {"Authorization": "Bearer wrong"}),
        (401, good, {"Authorization": "Basic eDp5"}),
        (403, good, {"Host": "evil.example"}),
        (403, good, {"Host": f"127.0.0.1.evil.example:{sender.port}"}),
        (403, good, {"Origin": "http://evil.example"}),
        (403, good, {"Origin": "null"}),
        (403, good, {"Sec_Fetch_Site": "cross-site"}),
        (403, good, {"Sec_Fetch_Site": "same-site"}),
        (415, good, {"Content_Type": "text/plain"}),
        (415, good, {"Content_Type": "application/x-www-form-urlencoded"}),
        (415, good, {"Content_Encoding": "br"}),
        (413, bomb, {"Content_Encoding": "gzip"}),
        (413, bytes(MAX_BYTES + 1), {}),
        (400, b"\xff" * 100, {}),
        (400, b"{" * 10_000, {"Content_Type": "application/json"}),
    ]
    for expected, body, headers in tried:
        status, answer = await sender.send(body, **headers)
        assert status == expected, (headers, answer)
        assert answer, headers
    assert (await sender.send(good, url=sender.url.replace("/metrics", "/traces")))[0] == 404
    assert (await sender.send(good, method="PUT"))[0] == 405
    assert (await sender.send(good))[0] == 200  # and the door is whole


async def test_an_error_is_a_status_in_the_language_of_the_request(sender: Sender) -> None:
    _, binary = await sender.send(b"\xff" * 100)
    partial = ExportMetricsServiceResponse().partial_success
    partial.MergeFromString(binary)
    assert "ExportMetricsServiceRequest" in partial.error_message
    _, text = await sender.send(b"[", Content_Type="application/json")
    assert "message" in json.loads(text)


async def test_the_token_is_not_asked_for_once_the_person_says_so(page: Page, sender: Sender) -> None:
    await change(page, require_token=False)
    body = durations("otlp-c").SerializeToString()
    deadline = asyncio.get_running_loop().time() + WITHIN_S
    while (await sender.send(body, Authorization=None))[0] != 200:
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.1)
    assert (await sender.send(body, Authorization=None, Origin="http://evil.example"))[0] == 403


async def test_a_taken_port_names_its_holder_and_is_mended_live(stack: Stack, page: Page) -> None:
    def reason() -> str:
        health = stack.healths("gateway")[-1]
        return health.reason if health.state == ServiceState.SERVICE_STATE_DEGRADED else ""

    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = int(holder.getsockname()[1])
        await change(page, port=port, enabled=True)
        await until(lambda: f"port {port} is held by" in reason(), "the gateway to say who holds the port")
        assert "otlp.port" in reason()
    other = free_port()
    await change(page, port=other)
    await until(lambda: listens(other) and not reason(), "the other port to open")
    await change(page, enabled=False)
    await until(lambda: not listens(other), "the port to close")


async def test_many_bodies_at_once_are_taken_or_told_to_come_again(sender: Sender) -> None:
    body = request(*[gauge("hw.power", "W", *[number(1.0, now_us(), hw__id="psu")] * 200)]).SerializeToString()
    statuses = {status for status, _ in await asyncio.gather(*[sender.send(body) for _ in range(40)])}
    assert statuses <= {200, 503}
    assert 200 in statuses
    async with aiohttp.ClientSession() as http, http.get(sender.page.stack.url("/healthz")) as answer:
        assert answer.status == 200
