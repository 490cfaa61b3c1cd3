"""S22 and S1 for the tap: smuggled requests, bombs of headers, endless lines and streams, foreign Hosts."""

from __future__ import annotations

import asyncio
import time

import psutil
import pytest

from tests.tap.conftest import Tapped
from tests.tap.test_canary import raw
from tests.waiting import until

GROWTH = 24 << 20

FOREIGN = [
    "example.test", "localhost.example.test", "127.0.0.1.example.test", "example.test:80", "127.0.0.1.", "localhost.",
    "10.0.0.1", "0.0.0.0", "127.0.0.2", "[::2]", "2130706433", "0x7f000001", "127.1", "localhost:", "localhost:x",
    "user@localhost", "localhost/", "", "localhost, example.test", "xn--localhost",
]  # fmt: skip

BODY = b'{"model":"m","stream":false}'
INNER = b"GET /smuggled HTTP/1.1\r\nHost: localhost\r\n\r\n"


def post(*lines: bytes, body: bytes = b"") -> bytes:
    return b"\r\n".join([b"POST /v1/chat/completions HTTP/1.1", b"Host: localhost", *lines, b"", b""]) + body


SMUGGLED = {
    "length and chunks": post(b"Content-Length: 6", b"Transfer-Encoding: chunked", body=b"0\r\n\r\n" + INNER),
    "two lengths": post(b"Content-Length: 5", b"Content-Length: 60", body=b"hello" + INNER),
    "a list of lengths": post(b"Content-Length: 5, 60", body=b"hello" + INNER),
    "a signed length": post(b"Content-Length: +5", body=b"hello" + INNER),
    "a hexadecimal length": post(b"Content-Length: 0x5", body=b"hello" + INNER),
    "unknown coding": post(b"Transfer-Encoding: xchunked", body=b"0\r\n\r\n" + INNER),
    "coding twice": post(b"Transfer-Encoding: chunked", b"Transfer-Encoding: identity", body=b"0\r\n\r\n" + INNER),
    "a space before the colon": post(b"Content-Length : 60", body=INNER),
    "a folded line": post(b"Content-Length: 5", b"X: a", b" Transfer-Encoding: chunked", body=b"hello" + INNER),
    "a bad chunk size": post(b"Transfer-Encoding: chunked", body=b"5;\nxx\r\nhello\r\n0\r\n\r\n" + INNER),
    "a negative chunk": post(b"Transfer-Encoding: chunked", body=b"-1\r\n" + INNER),
    "a zero byte": post(b"X-Y: a\x00b", b"Content-Length: 0", body=INNER),
    "bare line feeds": b"POST /v1/chat/completions HTTP/1.1\nHost: localhost\nContent-Length: 60\n\n" + INNER,
}


@pytest.mark.parametrize("host", FOREIGN)
async def test_s1_a_foreign_host_reaches_no_runtime(tapped: Tapped, host: str) -> None:
    for path in ("/echo?foreign", "/v1/chat/completions?foreign", "/api/chat?foreign"):
        request = f"GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
        answer = await asyncio.to_thread(raw, tapped.stack.home.ports.tap, request)
        assert answer.split(b" ")[1:2] in ([b"400"], [b"403"]), answer[:200]
    assert not [one for one in (await tapped.seen())["seen"] if "foreign" in one["path"]]


@pytest.mark.parametrize("case", SMUGGLED)
async def test_s22_a_smuggled_request_reaches_no_runtime(tapped: Tapped, case: str) -> None:
    await asyncio.to_thread(raw, tapped.stack.home.ports.tap, SMUGGLED[case])
    seen = (await tapped.seen())["seen"]
    smuggled = [one for one in seen if one["path"] == "/smuggled"]
    assert not smuggled


@pytest.mark.parametrize("headers", [b"X: " + b"a" * (1 << 20), b"\r\n".join([b"X: a"] * 20_000)])
async def test_s22_a_bomb_of_headers_is_refused(tapped: Tapped, headers: bytes) -> None:
    process = psutil.Process(tapped.stack.pid("tap"))
    before = process.memory_info().rss
    answers = await asyncio.gather(
        *(asyncio.to_thread(raw, tapped.stack.home.ports.tap, post(headers)) for _ in range(8))
    )
    assert all(answer == b"" or answer.split(b" ")[1] == b"431" for answer in answers)
    assert process.memory_info().rss - before < GROWTH


async def test_s22_a_line_without_end_passes_in_bounded_memory(tapped: Tapped) -> None:
    process = psutil.Process(tapped.stack.pid("tap"))
    before, came = process.memory_info().rss, 0
    async with tapped.ask("/v1/chat/completions", line=64 << 20, tokens=3) as answer:
        async for part in answer.content.iter_any():
            came += len(part)
            assert process.memory_info().rss - before < GROWTH
    assert came > 64 << 20
    assert (await tapped.record()).output_tokens == 3


async def test_s22_a_runtime_that_never_ends_disturbs_nobody(tapped: Tapped) -> None:
    process = psutil.Process(tapped.stack.pid("tap"))
    before = process.memory_info().rss
    async with tapped.ask("/v1/chat/completions", forever=True, gap_ms=0.2) as endless:
        taken = asyncio.create_task(endless.content.readexactly(4 << 20))
        for _ in range(20):
            began_s = time.monotonic()
            assert await tapped.read("/v1/chat/completions", tokens=2)
            assert time.monotonic() - began_s < 5
        await taken
        assert process.memory_info().rss - before < GROWTH
        endless.close()

    async def idle() -> bool:
        return (await tapped.seen())["streaming"] == 0

    await until(idle)


async def test_s22_a_runtime_whose_head_never_ends_is_an_error(tapped: Tapped) -> None:
    async with tapped.ask("/v1/chat/completions", head=1 << 20) as answer:
        assert answer.status == 502
        assert "no HTTP" in (await answer.json())["error"]["message"]


async def test_an_upgrade_and_a_foreign_path_are_refused_with_the_reason(tapped: Tapped) -> None:
    port = tapped.stack.home.ports.tap
    upgrade = b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n"
    assert b" 501 " in await asyncio.to_thread(raw, port, upgrade)
    absolute = b"GET http://example.test/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert b" 400 " in await asyncio.to_thread(raw, port, absolute)
    connect = b"CONNECT example.test:443 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = await asyncio.to_thread(raw, port, connect)
    assert b" 200 " not in answer
