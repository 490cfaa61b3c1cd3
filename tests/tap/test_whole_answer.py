"""A runtime's answer is read to its end, however it comes, and no further than it may be long."""

from __future__ import annotations

from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from services.tap.whole_answer import read_whole

# More than a connection holds unread: one read does not return it.
LONG = 1_000_000


async def answer(request: web.BaseRequest) -> web.StreamResponse:
    if request.path == "/echo":
        return web.Response(body=request.method.encode() + await request.read())
    return web.Response(status=200 if request.path == "/" else 404, body=b"x" * LONG)


@pytest.fixture
async def url() -> AsyncIterator[str]:
    server = RawTestServer(answer)
    await server.start_server()
    async with server:
        yield f"http://127.0.0.1:{server.port}"


async def test_all_of_it_or_nothing(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        assert await read_whole(http, "GET", f"{url}/", longest=LONG, timeout_s=30) == b"x" * LONG
        assert await read_whole(http, "GET", f"{url}/", longest=LONG - 1, timeout_s=30) is None
        assert await read_whole(http, "GET", f"{url}/gone", longest=LONG, timeout_s=30) is None
        assert await read_whole(http, "GET", "http://127.0.0.1:9/", longest=LONG, timeout_s=30) is None
        assert await read_whole(http, "POST", f"{url}/echo", {"a": 1}, longest=99, timeout_s=30) == b'POST{"a": 1}'
        assert await read_whole(http, "GET", f"{url}/echo", longest=99, timeout_s=30) == b"GET"
