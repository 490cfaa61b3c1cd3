"""Which models of a runtime answer chats, asked without loading any: embedding models are listed like all others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import aiohttp
import msgspec
from msgspec import Struct

from bus import runtime_names
from services.tap.routes import Upstream

_TIMEOUT = aiohttp.ClientTimeout(total=3.0)
_LONGEST = 4 << 20
# Ollama is asked of each model by itself, and reads its file's head for the answer.
_MOST_ASKED = 64
_AT_ONCE = 4
_PATIENCE_S = 5.0


class _Shown(Struct, gc=False):
    capabilities: list[str] | None = None


class _Listed(Struct, gc=False):
    id: str | None = None
    type: str | None = None


class _Models(Struct, gc=False):
    data: list[_Listed] | None = None


_shown = msgspec.json.Decoder(_Shown)
_models = msgspec.json.Decoder(_Models)


async def chatting(session: aiohttp.ClientSession, upstream: Upstream, models: Iterable[str]) -> dict[str, bool]:
    """Return whether each model answers chats; those that the runtime does not tell of are left out."""
    match upstream.runtime:
        case runtime_names.OLLAMA:
            return await _of_ollama(session, upstream, sorted(models)[:_MOST_ASKED])
        case runtime_names.LM_STUDIO:
            body = await _read(session, "GET", f"http://{upstream.authority}/api/v0/models")
            try:
                listed = _models.decode(body).data or []
            except (msgspec.DecodeError, RecursionError):
                return {}
            return {one.id: one.type in ("llm", "vlm") for one in listed if one.id and one.type}
        case _:
            return {}


async def _of_ollama(session: aiohttp.ClientSession, upstream: Upstream, models: list[str]) -> dict[str, bool]:
    few = asyncio.Semaphore(_AT_ONCE)

    async def ask(model: str) -> tuple[str, bool | None]:
        async with few:
            body = await _read(session, "POST", f"http://{upstream.authority}/api/show", {"model": model})
        try:
            told = _shown.decode(body).capabilities
        except (msgspec.DecodeError, RecursionError):
            return model, None
        return model, None if told is None else "completion" in told

    if not models:
        return {}
    asked = [asyncio.ensure_future(ask(model)) for model in models]
    answered, late = await asyncio.wait(asked, timeout=_PATIENCE_S)
    for one in late:
        one.cancel()
    return {model: chats for model, chats in (one.result() for one in answered) if chats is not None}


async def _read(session: aiohttp.ClientSession, method: str, url: str, body: object = None) -> bytes:
    try:
        async with session.request(method, url, json=body, timeout=_TIMEOUT, allow_redirects=False) as answer:
            if answer.status != 200:
                return b""
            whole = bytearray()
            while len(whole) < _LONGEST and (part := await answer.content.read(_LONGEST - len(whole))):
                whole += part
            return bytes(whole)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return b""
