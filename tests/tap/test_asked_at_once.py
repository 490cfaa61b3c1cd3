"""What runtimes tell of their models is asked of all at once, and each thing once."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, cast

import aiohttp
from aiohttp import web
from aiohttp.test_utils import RawTestServer
from wfmonitor.v1 import requests_service_pb2 as pb

from bus.settings_mirror import SettingsMirror
from services.tap.api import RequestsApi
from services.tap.meter import Figures
from services.tap.routes import Found, RouteTable, Upstream

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


async def routes(answer: Handler, *runtimes: str) -> list[pb.Route]:
    """The routes to runtimes that all answer so, each with the model "m", with what they tell of it."""
    async with AsyncExitStack() as open_:
        http = await open_.enter_async_context(aiohttp.ClientSession())
        table = RouteTable()
        for runtime in runtimes:
            server = RawTestServer(answer)
            await server.start_server()
            await open_.enter_async_context(server)
            assert server.port is not None
            table.found[server.port] = Found(Upstream("127.0.0.1", server.port, runtime), frozenset({"m"}))
        api = RequestsApi(cast(Any, None), Figures(), table, SettingsMirror(), http)
        return list((await api.ListRoutes(pb.ListRoutesRequest(ask=True), cast(Any, None))).routes)


async def test_no_runtime_waits_for_another_and_no_question_for_another() -> None:
    # Nobody answers before all four questions are under way.
    all_asked = asyncio.Barrier(4)

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        await all_asked.wait()
        if request.path == "/api/ps":
            return web.json_response({"models": [{"name": "m"}]})
        return web.json_response({"capabilities": ["completion"]})

    found = await routes(answer, "ollama", "ollama")
    assert [(route.loaded, route.chats) for route in found] == [(True, True)] * 2


async def test_lm_studio_is_asked_once_for_both() -> None:
    asked: list[str] = []

    async def answer(request: web.BaseRequest) -> web.StreamResponse:
        asked.append(request.path)
        return web.json_response({"data": [{"id": "m", "type": "embeddings", "state": "loaded"}]})

    (route,) = await routes(answer, "lm-studio")
    assert (route.loaded, route.HasField("chats"), route.chats) == (True, True, False)
    assert asked == ["/api/v0/models"]
