"""Which models chat: asked of servers that answer as Ollama and LM Studio do, and loads nothing."""

from __future__ import annotations

import json

import aiohttp
from aiohttp import web
from aiohttp.test_utils import RawTestServer

from services.tap.chatting import chatting
from services.tap.routes import Upstream

CAPABILITIES = {"bge-m3": ["embedding"], "qwen3": ["completion", "tools"], "old": None}


class Server:
    """Answers as Ollama and LM Studio do of their models, and notes what was asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str]] = []

    async def answer(self, request: web.BaseRequest) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        if request.path == "/api/v0/models":
            types = {"nomic": "embeddings", "llama": "llm", "llava": "vlm"}
            return web.json_response({"data": [{"id": name, "type": kind} for name, kind in types.items()]})
        name = json.loads(await request.read())["model"]
        if name not in CAPABILITIES:
            return web.json_response({"error": "not found"}, status=404)
        told = CAPABILITIES[name]
        return web.json_response({"license": "x" * 100_000} | ({} if told is None else {"capabilities": told}))


async def asked(runtime: str, *models: str) -> tuple[dict[str, bool], set[tuple[str, str]]]:
    made = Server()
    server = RawTestServer(made.answer)
    await server.start_server()
    async with server, aiohttp.ClientSession() as http:
        assert server.port is not None
        return await chatting(http, Upstream("127.0.0.1", server.port, runtime), models), set(made.asked)


async def test_ollama_is_asked_of_each_model() -> None:
    found, requests = await asked("ollama", "bge-m3", "qwen3", "old", "gone")
    assert found == {"bge-m3": False, "qwen3": True}
    assert requests == {("POST", "/api/show")}
    assert await asked("ollama") == ({}, set())


async def test_lm_studio_lists_what_its_models_are() -> None:
    found, requests = await asked("lm-studio", "nomic", "llama")
    assert found == {"nomic": False, "llama": True, "llava": True}
    assert requests == {("GET", "/api/v0/models")}


async def test_a_runtime_that_does_not_tell_is_not_asked() -> None:
    assert await asked("vllm", "any") == ({}, set())


async def test_one_that_does_not_answer_tells_nothing() -> None:
    async with aiohttp.ClientSession() as http:
        for runtime in ("ollama", "lm-studio"):
            assert await chatting(http, Upstream("127.0.0.1", 9, runtime), ["any"]) == {}
