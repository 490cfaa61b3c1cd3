"""/ws and /sse against the running stack: frames, conflation, stalls, rubbish."""

import asyncio
import contextlib
import json
import os
import socket
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from wfmonitor.v1.live_pb2 import LiveFrame

from tests.gateway.conftest import Page
from tests.stack import Stack

WAIT_S = 30.0


async def frame_of(ws: aiohttp.ClientWebSocketResponse) -> LiveFrame:
    """The next frame; text in between is left out."""
    async with asyncio.timeout(WAIT_S):
        while True:
            message = await ws.receive()
            if message.type is aiohttp.WSMsgType.BINARY:
                return LiveFrame.FromString(message.data)
            assert message.type is aiohttp.WSMsgType.TEXT, message


async def text_of(ws: aiohttp.ClientWebSocketResponse) -> dict[str, float]:
    async with asyncio.timeout(WAIT_S):
        while True:
            message = await ws.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                return dict(json.loads(message.data))
            assert message.type is aiohttp.WSMsgType.BINARY, message


async def close_of(ws: aiohttp.ClientWebSocketResponse) -> int:
    """The code the server closes with."""
    async with asyncio.timeout(WAIT_S):
        while not ws.closed:
            await ws.receive()
    assert ws.close_code is not None
    return ws.close_code


def rss_bytes(stack: Stack) -> int:
    fields = Path(f"/proc/{stack.pid('gateway')}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGESIZE")


async def test_the_first_frame_is_a_key_frame_and_the_rest_follow(page: Page) -> None:
    ws = await page.socket()
    first = await frame_of(ws)
    assert first.key
    names = {key.metric for table in first.tables for key in table.series}
    assert "system.cpu.percent" in names
    seqs = [first.seq]
    for _ in range(40):
        frame = await frame_of(ws)
        seqs.append(frame.seq)
        assert frame.conflated == 0
        await ws.send_str(json.dumps({"ack": frame.seq}))
    # The key frame asked for a newcomer has the number of the frame before it, which may come as well.
    assert sorted(set(seqs)) == list(range(seqs[0], seqs[-1] + 1))
    assert seqs == sorted(seqs)
    assert len(seqs) <= len(set(seqs)) + 1
    await ws.close()


async def test_a_ping_is_answered_with_the_monitors_clock(page: Page) -> None:
    ws = await page.socket()
    await ws.send_str('{"ping": 12.5}')
    answer = await text_of(ws)
    assert answer["pong"] == 12.5
    assert answer["server_us"] > 1.7e15
    await ws.close()


async def test_a_key_frame_comes_when_asked_for(page: Page) -> None:
    ws = await page.socket()
    await frame_of(ws)
    before = (await frame_of(ws)).seq
    await ws.send_str('{"key": true}')
    while not (frame := await frame_of(ws)).key:
        assert frame.seq < before + 200
    await ws.close()


async def test_a_client_that_stops_acknowledging_gets_what_it_missed_in_one_frame(page: Page) -> None:
    ws = await page.socket()
    first = await frame_of(ws)
    await ws.send_str(json.dumps({"ack": first.seq}))
    rows: list[int] = []
    frame = first
    # It goes on receiving, but says no more that it has handled anything: after 45 frames nothing comes.
    try:
        while True:
            async with asyncio.timeout(2.0):
                frame = await frame_of(ws)
    except TimeoutError:
        pass
    assert 40 <= frame.seq - first.seq <= 120
    await ws.send_str(json.dumps({"ack": frame.seq}))
    merged = await frame_of(ws)
    assert merged.conflated > 0
    assert merged.seq > frame.seq + 1
    for table in merged.tables:
        rows = list(table.times_us)
        assert rows == sorted(set(rows))
        assert len(table.values) % max(1, len(rows)) == 0
    health = await page.read("/api/v1/series?metric=monitor.ws_conflated_total")
    assert health["series"]
    await ws.close()


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("{", 1007), ("", 1007), ("nonsense", 1007), ("[1]", 1008), ("3", 1008), ('{"x": 1}', 1008),
        ('{"ack": "x"}', 1008), ('{"ui": {"nothing": 1}}', 1008), ('{"ui": {"fps": "x"}}', 1008),
        ("x" * 9000, 1009), (b"\x00\x01", 1008),
    ],
)  # fmt: skip
async def test_rubbish_gets_one_clear_close(page: Page, message: str | bytes, code: int) -> None:
    ws = await page.socket()
    if isinstance(message, bytes):
        await ws.send_bytes(message)
    else:
        await ws.send_str(message)
    assert await close_of(ws) == code
    assert (await page.get("/healthz"))[0] == 200


async def test_bytes_that_are_no_text_are_closed_with_1007(page: Page) -> None:
    ws = await page.socket()
    await ws.send_frame(b"\xff\xfe\xfd", aiohttp.WSMsgType.TEXT)
    assert await close_of(ws) == 1007


async def test_a_flood_of_messages_is_closed(page: Page) -> None:
    ws = await page.socket()
    with contextlib.suppress(aiohttp.ClientConnectionResetError):  # the door may close before all are sent
        for _ in range(500):
            await ws.send_str('{"ack": 1}')
    assert await close_of(ws) == 1008


async def test_what_a_page_measures_of_itself_becomes_a_series(page: Page) -> None:
    ws = await page.socket()
    await ws.send_str('{"ui": {"fps": 59.5, "ui.frame_time_ms": 3.25, "jank_ratio": null}}')

    async def value(metric: str) -> float | None:
        found = (await page.read(f"/api/v1/series?metric={metric}"))["series"]
        return found[0]["newest"] if found else None

    async with asyncio.timeout(WAIT_S):
        while await value("ui.fps") != 59.5:
            await frame_of(ws)
    assert await value("ui.frame_time_ms") == 3.25
    await ws.close()


async def test_what_two_pages_count_is_one_counter_that_only_grows(page: Page) -> None:
    one, other = await page.socket(), await page.socket()
    for ws, dropped in ((one, 5), (other, 100), (one, 6), (other, 103), (one, 7), (other, 104)):
        await ws.send_str(json.dumps({"ui": {"dropped_frames": dropped}}))
        await ws.send_str('{"ping": 1}')
        async with asyncio.timeout(WAIT_S):
            while "pong" not in str((await ws.receive()).data)[:8]:
                pass

    async def told() -> list[float]:
        rows = (await page.read("/api/v1/query_range?metric=ui.dropped_frames&last_s=60"))["series"]
        return [value for value in rows[0]["values"] if value is not None] if rows else []

    async with asyncio.timeout(WAIT_S):
        while len(values := await told()) < 6:
            await frame_of(one)
    assert values[-6:] == [values[-6] + grown for grown in (0, 0, 1, 4, 5, 6)]
    await one.close()
    await other.close()


async def test_a_figure_of_a_page_that_cannot_be_is_left_out_and_the_page_stays(page: Page) -> None:
    ws = await page.socket()
    await ws.send_str('{"ui": {"fps": 58.5, "jank_ratio": 1.5, "visual_lag_ms": -3}}')

    async def newest() -> dict[str, float]:
        found = (await page.read("/api/v1/series?class=ui"))["series"]
        return {one["key"]["metric"]: one["newest"] for one in found}

    async with asyncio.timeout(WAIT_S):
        while (await newest()).get("ui.fps") != 58.5:
            await frame_of(ws)
    assert (await newest()).get("ui.jank_ratio") != 1.5
    assert (await newest()).get("ui.visual_lag_ms") != -3
    await ws.close()


async def test_the_fallback_sends_the_same_frames_as_json(page: Page) -> None:
    async with page.http.get(page.stack.url(f"/sse?ticket={await page.ticket()}")) as stream:
        assert stream.headers["Content-Type"].startswith("text/event-stream")
        seen = []
        async with asyncio.timeout(WAIT_S):
            async for line in stream.content:
                if line.startswith(b"data: "):
                    seen.append(json.loads(line[6:]))
                if len(seen) == 5:
                    break
    assert seen[0]["key"] is True
    table = next(table for table in seen[0]["tables"] if table["source"] == "system")
    assert len(table["values"]) == len(table["series"]) * len(table["times_us"])
    assert [frame["seq"] for frame in seen] == sorted(frame["seq"] for frame in seen)


async def test_the_rate_of_a_page_is_a_setting(page: Page) -> None:
    """At 2 frames a second rows are merged, and none is left out."""
    change = {"key": "gateway.live.max_hz", "value": 2}
    status, answer = await page.post("/api/v1/settings", change)
    assert status == 200
    assert answer["result"]["applied"] is True
    ws = await page.socket()
    frames = [await frame_of(ws) for _ in range(5)]
    await ws.close()
    assert (await page.post("/api/v1/settings/undo", {"change_id": answer["change"]["id"]}))[0] == 200
    for before, frame in pairwise(frames[1:]):
        assert frame.time_us - before.time_us > 350_000
        assert frame.seq - before.seq == frame.conflated + 1


def stalled_client(page: Page, ticket: str) -> socket.socket:
    """A page that upgrades and then never reads."""
    line = socket.create_connection(("127.0.0.1", page.stack.home.ports.page), timeout=30)
    line.sendall(
        f"GET /ws?ticket={ticket} HTTP/1.1\r\nHost: 127.0.0.1:{page.stack.home.ports.page}\r\nOrigin: {page.origin}\r\n"
        "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
    )
    assert line.recv(12) == b"HTTP/1.1 101"
    return line


async def watch_beside_stalled(page: Page, seconds: float) -> tuple[int, int, int]:
    """(frames a reader got, frames it should have got, bytes the gateway grew by) beside five that never read."""
    ws = await page.socket()
    await frame_of(ws)
    before = rss_bytes(page.stack)
    stalled = [stalled_client(page, await page.ticket()) for _ in range(5)]
    first = await frame_of(ws)
    frames, last = 0, first
    try:
        async with asyncio.timeout(seconds):
            while True:
                last = await frame_of(ws)
                frames += 1
                await ws.send_str(json.dumps({"ack": last.seq}))
    except TimeoutError:
        pass
    grown = rss_bytes(page.stack) - before
    for line in stalled:
        line.close()
    await ws.close()
    return frames, last.seq - first.seq, grown


async def test_pages_that_stop_reading_cost_the_others_nothing(page: Page) -> None:
    frames, expected, grown = await watch_beside_stalled(page, 4.0)
    print(f"beside 5 stalled pages for 4 s: {frames} of {expected} frames, gateway + {grown / 1e6:.1f} MB")
    assert frames >= 0.97 * expected
    assert grown < 20_000_000


@pytest.mark.long
async def test_pages_that_stop_reading_for_a_minute(page: Page) -> None:
    frames, expected, grown = await watch_beside_stalled(page, 60.0)
    print(f"beside 5 stalled pages for 60 s: {frames} of {expected} frames, gateway + {grown / 1e6:.1f} MB")
    assert frames >= 0.97 * expected
    assert grown < 20_000_000
