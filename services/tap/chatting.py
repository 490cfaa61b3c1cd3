"""Which models of a runtime answer chats, asked without loading any: embedding models are listed like all others."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import aiohttp
import msgspec
from msgspec import Struct

from bus import runtime_names
from bus.unreadable import UNREADABLE
from services.tap import lm_studio
from services.tap.routes import Upstream
from services.tap.whole_answer import read_whole

_TIMEOUT_S = 3.0
_LONGEST = 4 << 20
# Ollama is asked of each model by itself, and reads its file's head for the answer.
_MOST_ASKED = 64
_AT_ONCE = 4
_PATIENCE_S = 5.0


class _Shown(Struct, gc=False):
    capabilities: list[str] | None = None


_shown = msgspec.json.Decoder(_Shown)


async def chatting(session: aiohttp.ClientSession, upstream: Upstream, models: Iterable[str]) -> dict[str, bool]:
    """Return whether each model answers chats; those that the runtime does not tell of are left out."""
    match upstream.runtime:
        case runtime_names.OLLAMA:
            return await _of_ollama(session, upstream, sorted(models)[:_MOST_ASKED])
        case runtime_names.LM_STUDIO:
            return lm_studio.chats(await lm_studio.listed(session, upstream))
        case _:
            return {}


async def _of_ollama(session: aiohttp.ClientSession, upstream: Upstream, models: list[str]) -> dict[str, bool]:
    few = asyncio.Semaphore(_AT_ONCE)

    async def ask(model: str) -> tuple[str, bool | None]:
        async with few:
            url = f"http://{upstream.authority}/api/show"
            body = await read_whole(session, "POST", url, {"model": model}, longest=_LONGEST, timeout_s=_TIMEOUT_S)
        try:
            told = _shown.decode(body or b"").capabilities
        except UNREADABLE:
            return model, None
        return model, None if told is None else "completion" in told

    if not models:
        return {}
    asked = [asyncio.ensure_future(ask(model)) for model in models]
    answered, late = await asyncio.wait(asked, timeout=_PATIENCE_S)
    for one in late:
        one.cancel()
    return {model: chats for model, chats in (one.result() for one in answered) if chats is not None}
