"""Runtimes are found by what they say, and looking asks nothing that wakes or loads."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from services.tap import finder as finder_module
from services.tap.finder import Finder
from services.tap.routes import RouteTable
from tests.tap.conftest import Runtime
from tests.tap.runtime_shapes import MODEL

HARMLESS = {"/v1/models", "/api/tags", "/seen"}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@asynccontextmanager
async def listing(body: bytes) -> AsyncIterator[int]:
    """The port of a runtime that lists its models so."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        writer.write(head % len(body) + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


async def test_a_runtime_is_found_named_and_only_asked_what_it_has_in_memory(http: aiohttp.ClientSession) -> None:
    runtime = Runtime()
    try:
        table = RouteTable()
        finder = Finder(http, table, (), lambda: True, (runtime.port, 9))
        await finder.look()
        (found,) = table.found.values()
        assert (found.upstream.runtime, found.models) == ("llama.cpp", frozenset({MODEL}))
        async with http.get(f"{runtime.url}/seen") as answer:
            seen = (await answer.json())["seen"]
        assert {one["path"] for one in seen} <= HARMLESS
        assert {one["method"] for one in seen} == {"GET"}
    finally:
        runtime.kill()
    await finder.look()
    assert not table.found
    assert f"http://127.0.0.1:{runtime.port}" in finder.tried()


@pytest.mark.parametrize(
    ("owner", "runtime"),
    [
        ("vllm", "vllm"),
        ("sglang", "sglang"),
        ("me", "llama-cpp-python"),
        ("organization_owner", "lm-studio"),
        ("somebody", ""),
    ],
)
async def test_a_runtime_is_called_by_the_owner_of_its_models(
    http: aiohttp.ClientSession, owner: str, runtime: str
) -> None:
    body = b'{"data":[{"id":"m","owned_by":"%s"}]}' % owner.encode()
    async with listing(body) as port:
        table = RouteTable()
        await Finder(http, table, (), lambda: True, (port,)).look()
        (found,) = table.found.values()
        assert (found.upstream.runtime, found.models) == (runtime, frozenset({"m"}))


async def test_one_model_under_several_names_is_recorded_under_the_first(http: aiohttp.ClientSession) -> None:
    body = (
        b'{"data":[{"id":"a","owned_by":"vllm","root":"/m","parent":null},'
        b'{"id":"b","owned_by":"vllm","root":"/m","parent":null},'
        b'{"id":"lora","owned_by":"vllm","root":"/l","parent":"a"}]}'
    )
    async with listing(body) as port:
        table = RouteTable()
        await Finder(http, table, (), lambda: True, (port,)).look()
        (found,) = table.found.values()
        assert found.models == {"a", "b", "lora"}
        names = [table.name_of(found.upstream, asked) for asked in ("a", "b", "lora", "other")]
        assert names == ["a", "a", "lora", "other"]


async def test_a_runtime_that_is_too_busy_to_answer_is_still_there(http: aiohttp.ClientSession) -> None:
    asked = asyncio.Event()
    silent = False

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        asked.set()
        if not silent:
            writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n{"data":[]}')
            writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        table = RouteTable()
        finder = Finder(http, table, (), lambda: True, (port,))
        await finder.look()
        assert port in table.found
        silent = True
        await finder.look()
        assert port in table.found


@pytest.mark.parametrize(
    "odd", [b'{"data":[{"id":"\xff"}]}', b'{"data":' + b"[" * 100_000, b'{"data":[{"id":7}]}', b"\xff"]
)
async def test_who_lists_what_cannot_be_read_hides_no_runtime(http: aiohttp.ClientSession, odd: bytes) -> None:
    """Any program of the machine may listen at a usual port."""
    async with listing(odd) as stranger, listing(b'{"data":[{"id":"m","owned_by":"vllm"}]}') as port:
        table = RouteTable()
        await Finder(http, table, (), lambda: True, (stranger, port)).look()
    assert set(table.found) == {port}


async def test_what_is_no_runtime_is_not_found(http: aiohttp.ClientSession) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\nhi")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        table = RouteTable()
        finder = Finder(http, table, (), lambda: True, (server.sockets[0].getsockname()[1],))
        await finder.look()
        assert not table.found


async def test_who_is_no_runtime_or_wants_a_key_is_not_asked_each_time(
    http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s, status, asked = 1000.0, 500, 0
    monkeypatch.setattr(finder_module, "monotonic_s", lambda: now_s)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        with contextlib.suppress(asyncio.IncompleteReadError):  # who only looks whether somebody listens
            await reader.readuntil(b"\r\n\r\n")
            asked += 1
            body = b'{"data": [{"id": "m"}]}'
            head = b"HTTP/1.1 %d Said\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
            writer.write(head % (status, len(body)) + body)
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        finder = Finder(http, table := RouteTable(), (), lambda: True, (port,))
        for at_s, so_far in ((0, 1), (10, 1), (29, 1), (30, 2), (80, 2), (90, 3)):
            now_s = 1000.0 + at_s
            await finder.look()
            assert (asked, table.found) == (so_far, {})
        finder.hear("collector", (port,))  # it says that a runtime is there now
        await finder.look()
        assert asked == 4
        status = 503  # one that loads its model is asked each time
        await finder.look(all_anew=True)
        await finder.look()
        assert asked == 6
        status = 200
        await finder.look()
        assert port in table.found


async def test_our_own_ports_are_not_asked(http: aiohttp.ClientSession) -> None:
    finder = Finder(http, RouteTable(), (8080, 9464), lambda: True, (8080, 9))
    finder.hear("collector", (9464, 9))
    assert set(finder.tried()) == {"http://127.0.0.1:9"}


async def test_a_runtime_that_is_told_of_is_led_to_until_it_is_told_no_more(http: aiohttp.ClientSession) -> None:
    runtime, table = Runtime(), RouteTable()
    on = True
    try:
        finder = Finder(http, table, (), lambda: on, ())
        await finder.look()
        assert not table.found
        finder.hear("collector", (runtime.port,))
        finder.hear("person", ())
        await finder.look()
        assert [found.upstream.runtime for found in table.found.values()] == ["llama.cpp"]
        on = False
        finder.changed()
        assert not finder.tried(), "where looking is off, nobody's word has it ask"
        on = True
        await finder.look()
        assert runtime.port in table.found
        finder.hear("collector", ())
        assert not table.found
    finally:
        runtime.kill()
