"""Whether a model is in memory, asked in ways that load and wake nothing (RUNTIMES, traps 1)."""

from __future__ import annotations

from collections.abc import Callable

import aiohttp
import msgspec
from msgspec import Struct

from bus import runtime_names
from bus.model_names import same_model
from services.tap.routes import Upstream

_TIMEOUT = aiohttp.ClientTimeout(total=3.0)
_LONGEST = 1 << 20
# These have in memory what they list.
_ALWAYS = frozenset({runtime_names.VLLM, runtime_names.SGLANG})


class _Status(Struct, gc=False):
    value: str | None = None


class _Model(Struct, gc=False):
    id: str | None = None
    name: str | None = None
    state: str | None = None
    status: _Status | None = None


class _Models(Struct, gc=False):
    data: list[_Model] | None = None
    models: list[_Model] | None = None


_decoder = msgspec.json.Decoder(_Models)


async def is_loaded(session: aiohttp.ClientSession, upstream: Upstream, model: str) -> bool | None:
    """Return whether the runtime has the model in memory; None where it does not tell."""
    return (await loading(session, upstream))(model)


async def loading(session: aiohttp.ClientSession, upstream: Upstream) -> Callable[[str], bool | None]:
    """Ask a runtime once; return whether it has a model in memory, by the model's name, None where it does not tell."""
    match upstream.runtime:
        case runtime_names.OLLAMA:
            listed = await _ask(session, upstream, "/api/ps")
            running = None if listed is None else [one.name or "" for one in listed.models or []]
            return lambda model: None if running is None else any(same_model(model, one) for one in running)
        case runtime_names.LM_STUDIO:
            listed = await _ask(session, upstream, "/api/v0/models")
            states = {one.id: one.state for one in (listed.data if listed else None) or [] if one.state}
            return lambda model: states[model] == "loaded" if model in states else None
        case runtime_names.LLAMA_CPP:
            listed = await _ask(session, upstream, "/v1/models")
            if listed is None:
                return lambda _model: None
            told = {one.id: one.status.value for one in listed.data or [] if one.status is not None}
            # A router tells of each model; a plain llama-server has its one in memory.
            return lambda model: told.get(model) == "loaded" if told else True
        case known:
            return lambda _model: True if known in _ALWAYS else None


async def _ask(session: aiohttp.ClientSession, upstream: Upstream, path: str) -> _Models | None:
    try:
        async with session.get(f"http://{upstream.authority}{path}", timeout=_TIMEOUT, allow_redirects=False) as answer:
            if answer.status != 200:
                return None
            return _decoder.decode(await answer.content.read(_LONGEST))
    except (aiohttp.ClientError, OSError, TimeoutError, msgspec.DecodeError, RecursionError):
        return None
