"""The running tap in front of a runtime: bytes, records, aborts, and what the runtime sees."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import cast

import aiohttp
import psutil
import pytest
from wfmonitor.v1 import requests_service_pb2 as pb
from yarl import URL

from services.tap.bursts import Bursts
from services.tap.dialects import generation
from services.tap.meter import Figures, Meter
from services.tap.record import Outcome
from tests.tap.conftest import Tapped, set_value
from tests.tap.runtime_shapes import SHAPES
from tests.waiting import until

PATHS = sorted(SHAPES)
WORD = "wört".encode()


async def take(answer: aiohttp.ClientResponse, came: bytearray) -> None:
    """Reads into `came` until the end."""
    async for part in answer.content.iter_any():
        came += part


@pytest.mark.parametrize("path", PATHS)
async def test_a_stream_reaches_the_client_byte_for_byte_and_is_measured(tapped: Tapped, path: str) -> None:
    script = {"tokens": 6, "thinking": 2, "wait_ms": 30, "gap_ms": 5}
    async with tapped.ask(path, direct=True, **script) as answer:
        direct, head = await answer.read(), dict(answer.headers)
    async with tapped.ask(path, **script) as answer:
        through, seen = await answer.read(), dict(answer.headers)
    assert through == direct
    assert seen == head
    record = await tapped.record()
    assert record.route == path
    assert record.status == 200
    assert record.streamed
    assert record.output_tokens == 6
    assert record.prompt_tokens == 12
    assert record.token_source == "usage"
    assert 25 <= record.ttft_ms <= record.ttfa_ms <= record.e2e_ms
    assert 0 <= record.itl_p50_ms <= record.itl_p95_ms <= record.itl_max_ms
    # Five gaps after the first token; a busy machine may deliver them late and at once.
    assert 0 < 5 * record.tpot_ms <= record.e2e_ms - record.ttft_ms + 1
    assert record.finish_reason in ("stop", "length") or path == "/api/v1/chat"  # LM Studio does not tell


async def test_a_runtimes_port_behind_the_taps_leads_to_it_and_is_measured(tapped: Tapped) -> None:
    base = f"/port/{tapped.runtime.port}"
    await until(lambda: answers(tapped, f"{base}/v1/models"))
    script = {"tokens": 3}
    async with tapped.ask("/v1/chat/completions", direct=True, **script) as answer:
        direct = await answer.read()
    assert await tapped.read(f"{base}/v1/chat/completions", **script) == direct
    record = await tapped.record()
    assert (record.route, record.status, record.output_tokens) == ("/v1/chat/completions", 200, 3)
    async with tapped.http.get(f"{tapped.url}/port/9/v1/models") as answer:
        assert answer.status == 502


async def answers(tapped: Tapped, path: str) -> bool:
    async with tapped.http.get(tapped.url + path) as answer:
        return answer.status == 200


@pytest.mark.parametrize("path", PATHS)
async def test_chunks_may_be_cut_anywhere(tapped: Tapped, path: str) -> None:
    async with tapped.ask(path, direct=True, tokens=4, cut=7) as answer:
        direct = await answer.read()
    assert await tapped.read(path, tokens=4, cut=7) == direct
    assert (await tapped.record()).output_tokens == 4


async def test_the_runtime_sees_its_own_host_and_the_clients_origin(tapped: Tapped) -> None:
    sent = {"Origin": "http://example.test:3000", "X-Own": "1", "Connection": "keep-alive, X-Own", "Accept": "*/*"}
    url = URL(f"{tapped.url}/echo?a=%2F&b=1", encoded=True)
    async with tapped.http.post(url, data=b"abc", headers=sent) as answer:
        seen = await answer.json()
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert seen["path"] == "/echo?a=%2F&b=1"
    assert seen["body"] == "abc"
    assert headers["host"] == f"127.0.0.1:{tapped.runtime.port}"
    assert headers["origin"] == "http://example.test:3000"
    assert "x-own" not in headers


async def test_a_client_that_leaves_ends_the_runtimes_work(tapped: Tapped) -> None:
    before = (await tapped.seen())["aborted"]
    async with tapped.ask("/v1/chat/completions", forever=True, gap_ms=2) as answer:
        await answer.content.readuntil(WORD)  # the first events may be without a token
        answer.close()

    async def stopped() -> bool:
        return bool((await tapped.seen())["aborted"] > before)

    await until(stopped)
    record = await tapped.record()
    assert record.finish_reason == "abort"
    assert record.token_source == "chunks"


async def test_a_runtime_that_breaks_off_is_cut_for_the_client_too(tapped: Tapped) -> None:
    async with tapped.ask("/v1/chat/completions", tokens=9, drop_after=3, gap_ms=1) as answer:
        came = bytearray()
        with pytest.raises(aiohttp.ClientPayloadError):
            await take(answer, came)
    assert came.count(WORD) == 3
    record = await tapped.record()
    assert (record.finish_reason, record.error, record.output_tokens) == ("error", "truncated", 3)


async def test_an_error_of_the_runtime_passes_and_is_recorded_by_its_class(tapped: Tapped) -> None:
    async with tapped.ask("/v1/chat/completions", status=503) as answer:
        assert answer.status == 503
        assert (await answer.json())["error"]["message"] == "not now"
    record = await tapped.record()
    assert (record.status, record.finish_reason, record.error) == (503, "error", "unavailable_error")
    assert not record.HasField("ttft_ms")


async def test_a_whole_answer_has_counts_but_no_arrival_times(tapped: Tapped) -> None:
    await tapped.read("/v1/chat/completions", whole=True)
    record = await tapped.record()
    assert not record.streamed
    assert (record.prompt_tokens, record.output_tokens, record.cached_tokens) == (12, 5, 3)
    assert not record.HasField("ttft_ms")
    assert record.tpot_ms == pytest.approx(2.5)


async def test_without_a_runtime_the_answer_says_what_was_tried(tapped: Tapped) -> None:
    set_value(tapped.stack, "tap.routes", json.dumps({"": "http://127.0.0.1:9"}))
    async with tapped.ask("/v1/chat/completions") as answer:
        assert answer.status == 502
        message = (await answer.json())["error"]["message"]
    assert "http://127.0.0.1:9" in message
    assert "wfmon tap" in message


async def test_a_client_slower_than_the_runtime_holds_it_back_in_bounded_memory(tapped: Tapped) -> None:
    """The runtime makes 64 MiB as fast as it can; the client takes none of it for a while."""
    process = psutil.Process(tapped.stack.pid("tap"))
    before = process.memory_info().rss
    script = {"tokens": 4096, "wide": 16384}
    async with tapped.ask("/v1/completions", **script) as answer:
        answer.connection.transport.pause_reading()  # type: ignore[union-attr]

        async def held_back() -> bool:
            first = (await tapped.seen())["written"]
            await asyncio.sleep(0.3)
            return bool((await tapped.seen())["written"] == first)

        await until(held_back)
        assert (await tapped.seen())["written"] < 32 << 20
        assert process.memory_info().rss - before < 16 << 20
        answer.connection.transport.resume_reading()  # type: ignore[union-attr]
        body = await answer.read()
    assert body.count(b'"text": "x') == 4096
    assert (await tapped.record()).output_tokens == 4096


async def test_ten_thousand_tokens_arrive_whole(tapped: Tapped) -> None:
    async with tapped.ask("/api/generate", direct=True, tokens=10_000) as answer:
        direct = await answer.read()
    assert await tapped.read("/api/generate", tokens=10_000) == direct
    assert (await tapped.record()).output_tokens == 10_000


async def test_a_large_upload_passes_unread(tapped: Tapped) -> None:
    """As `ollama create` sends a model's file: 40 MiB in chunks."""

    async def parts() -> AsyncIterator[bytes]:
        for _ in range(640):
            yield b"y" * 65536

    async with tapped.http.post(f"{tapped.url}/api/blobs/sha256:0", data=parts()) as answer:
        assert answer.status == 404
    # The tap's own looks at the runtime are seen as well.
    assert 640 * 65536 in [one.get("bytes") for one in (await tapped.seen())["seen"]]


async def test_a_connection_is_used_again_and_survives_the_runtimes_closing_it(tapped: Tapped) -> None:
    for _ in range(3):
        await tapped.read("/v1/chat/completions")
    connections = (await tapped.seen())["connections"]
    await tapped.read("/v1/chat/completions", close_after=True)
    await tapped.read("/v1/chat/completions")
    assert (await tapped.seen())["connections"] <= connections + 3


async def test_without_measuring_the_tap_is_a_plain_pipe(tapped: Tapped) -> None:
    set_value(tapped.stack, "tap.measure", False)
    try:
        assert b"w" in await tapped.read("/v1/chat/completions")
    finally:
        set_value(tapped.stack, "tap.measure", True)
    assert not (await tapped.requests().ListRequests(pb.ListRequestsRequest(after_us=tapped.since_us))).requests


def test_a_meter_that_breaks_is_counted_and_says_no_more() -> None:
    failures: list[Exception] = []
    figures = Figures()
    meter = Meter(figures, cast(Bursts, None), lambda record: None, failures.append)
    found = generation("POST", "/api/chat")
    assert found is not None
    meter.sent(found, "/api/chat", "model", "", 1.0)  # there is nobody to publish
    meter.answered(200, "application/x-ndjson", "")
    meter.data(b"{}\n", 1.1)
    meter.end(Outcome.COMPLETE)
    assert (figures.failures, len(failures), len(figures.under_way)) == (1, 1, 0)
