"""A proxy that was led to the tap, and to which the tap leads: what goes round ends, and nothing else is touched."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web

from bus.runtime_names import LITELLM, LLAMA_CPP
from services.tap import finder
from services.tap.finder import Finder
from services.tap.rounds import MOST_EQUAL, Rounds
from services.tap.routes import RouteTable, Upstream
from tests.tap.conftest import Runtime, Tapped, set_value
from tests.tap.runtime_shapes import MODEL

CHAT = "/v1/chat/completions"
PROXY = Upstream("127.0.0.1", 4000, LITELLM)


class Proxy:
    """What LiteLLM 1.108 does: asks its model's address with a body of its own, and passes on how that ended."""

    def __init__(self, http: aiohttp.ClientSession, leads_to: str) -> None:
        self.asked = 0
        self._http = http
        self._leads_to = leads_to

    async def answer(self, request: web.Request) -> web.Response:
        self.asked += 1
        told = await request.json()
        body = {"model": told["model"], "messages": told["messages"]}
        async with self._http.post(self._leads_to + CHAT, json=body, headers={"X-Script": '{"whole": 1}'}) as answer:
            return web.Response(status=answer.status, body=await answer.read(), content_type="application/json")

    async def models(self, _request: web.Request) -> web.Response:
        return web.json_response({"object": "list", "data": [{"id": MODEL, "owned_by": "openai"}]})


@asynccontextmanager
async def proxy(leads_to: str) -> AsyncIterator[tuple[Proxy, str, int]]:
    """A proxy, its address and its port."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(60)) as http:
        made = Proxy(http, leads_to)
        app = web.Application()
        app.add_routes([web.post(CHAT, made.answer), web.get("/v1/models", made.models)])
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        try:
            yield made, f"http://127.0.0.1:{port}", port
        finally:
            await runner.cleanup()


async def test_a_request_that_goes_round_ends_and_says_how_to_mend_it(tapped: Tapped) -> None:
    async with proxy(tapped.url) as (made, url, _):
        set_value(tapped.stack, "tap.routes", json.dumps({"": url}))
        body = {"model": "looped", "messages": [{"role": "user", "content": "hi"}]}
        async with tapped.http.post(tapped.url + CHAT, json=body) as answer:
            assert answer.status == 400
            told = (await answer.json())["error"]
        assert told["type"] == "goes_round"
        assert url in told["message"]
        assert made.asked == MOST_EQUAL
        # All of them have ended: the next one has the same room.
        async with tapped.http.post(tapped.url + CHAT, json=body | {"model": "other"}) as answer:
            assert answer.status == 400
        assert made.asked == 2 * MOST_EQUAL


async def test_through_a_proxy_to_a_runtime_all_is_as_before(tapped: Tapped) -> None:
    async with proxy(tapped.runtime.url) as (made, url, _):
        set_value(tapped.stack, "tap.routes", json.dumps({"": url}))
        body = {"model": MODEL, "messages": [{"role": "user", "content": "hi"}]}
        for _ in range(MOST_EQUAL + 1):
            async with tapped.http.post(tapped.url + CHAT, json=body) as answer:
                assert answer.status == 200
        assert made.asked == MOST_EQUAL + 1


def test_only_equal_requests_that_wait_for_a_proxy_are_counted() -> None:
    rounds = Rounds()
    turns = [rounds.enter(PROXY, b"same") for _ in range(MOST_EQUAL)]
    assert None not in turns
    assert rounds.enter(PROXY, b"same") is None
    assert rounds.enter(PROXY, b"another") is not None
    assert rounds.enter(PROXY._replace(port=4001), b"same") is not None
    assert rounds.enter(Upstream("127.0.0.1", 4000, LLAMA_CPP), b"same") == 0
    assert rounds.enter(PROXY, None) == 0
    rounds.leave(turns[0] or 0)
    assert rounds.enter(PROXY, b"same") is not None


async def test_a_proxy_is_led_to_where_no_runtime_has_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    runtime, table = Runtime(), RouteTable()
    try:
        async with proxy(runtime.url) as (_, _, port), aiohttp.ClientSession() as http:
            monkeypatch.setitem(finder.USUAL_NAMES, port, LITELLM)
            looking = Finder(http, table, (), lambda: True, (port,))
            looking.hear("collector", (runtime.port,))  # at no usual port: told of after all those
            await looking.look()
            assert [found.upstream.port for found in table.found.values()] == [runtime.port, port]
            runtime.kill()
            await looking.look()
            way = table.choose(CHAT, MODEL)
            assert way is not None
            assert way.upstream.port == port
    finally:
        runtime.kill()
