"""Whether a model is in memory, asked in ways that load and wake nothing (RUNTIMES, traps 1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import aiohttp
import msgspec
from msgspec import Struct

from bus import runtime_names
from bus.model_names import same_model
from bus.unreadable import UNREADABLE
from services.tap import lm_studio
from services.tap.routes import Upstream
from services.tap.whole_answer import read_whole

_TIMEOUT_S = 3.0
_LONGEST = 1 << 20
# These have in memory what they list.
_ALWAYS = frozenset({runtime_names.VLLM, runtime_names.SGLANG})


class _Status(Struct, gc=False):
    value: str | None = None


class _Model(Struct, gc=False):
    id: str | None = None
    name: str | None = None
    status: _Status | None = None


class _Models(Struct, gc=False):
    data: list[_Model] | None = None
    models: list[_Model] | None = None


class _Props(Struct, gc=False):
    is_sleeping: bool = False


T = TypeVar("T")
_models = msgspec.json.Decoder(_Models)
_props = msgspec.json.Decoder(_Props)


async def is_loaded(session: aiohttp.ClientSession, upstream: Upstream, model: str, key: str = "") -> bool | None:
    """Return whether the runtime has the model in memory; None where it does not tell."""
    return (await loading(session, upstream, key))(model)


async def loading(session: aiohttp.ClientSession, upstream: Upstream, key: str = "") -> Callable[[str], bool | None]:
    """Ask a runtime; return whether it has a model in memory, by the model's name, None where it does not tell.

    `key`: an API key of a llama-server; "" is none.
    """
    match upstream.runtime:
        case runtime_names.OLLAMA:
            listed = await _ask(session, upstream, "/api/ps", _models)
            running = None if listed is None else [one.name or "" for one in listed.models or []]
            return lambda model: None if running is None else any(same_model(model, one) for one in running)
        case runtime_names.LM_STUDIO:
            return lm_studio.in_memory(await lm_studio.listed(session, upstream))
        case runtime_names.LLAMA_CPP:
            return await _of_llama_server(session, upstream, key)
        case known:
            return _always if known in _ALWAYS else _never_told


def _always(_model: str) -> bool | None:
    return True


def _never_told(_model: str) -> bool | None:
    return None


async def refuses(session: aiohttp.ClientSession, upstream: Upstream, key: str) -> bool:
    """Return whether a llama-server takes no request with this API key ("": with none).

    Open to all are its `/health` and its list of models, and neither says whether it sleeps; `/props`, which does,
    wants the key as every request for tokens does. Asking wakes nothing.
    """
    if upstream.runtime != runtime_names.LLAMA_CPP:
        return False
    url, timeout = f"http://{upstream.authority}/props", aiohttp.ClientTimeout(total=_TIMEOUT_S)
    try:
        async with session.get(url, headers=bearer(key), timeout=timeout, allow_redirects=False) as answer:
            return answer.status in (401, 403)
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


def bearer(key: str) -> dict[str, str]:
    """Return the header that carries an API key; none without one."""
    return {"Authorization": f"Bearer {key}"} if key else {}


async def _of_llama_server(
    session: aiohttp.ClientSession, upstream: Upstream, key: str
) -> Callable[[str], bool | None]:
    listed = await _ask(session, upstream, "/v1/models", _models)
    if listed is None:
        return _never_told
    if told := {one.id: one.status.value for one in listed.data or [] if one.status is not None}:
        # A router tells of each model.
        return lambda model: told.get(model) == "loaded"
    # A plain one has its model in memory, unless it sleeps: then the first request loads it again.
    props = await _ask(session, upstream, "/props", _props, key)
    return _never_told if props is None else lambda _model: not props.is_sleeping


async def _ask(
    session: aiohttp.ClientSession, upstream: Upstream, path: str, decoder: msgspec.json.Decoder[T], key: str = ""
) -> T | None:
    url = f"http://{upstream.authority}{path}"
    body = await read_whole(session, "GET", url, longest=_LONGEST, timeout_s=_TIMEOUT_S, headers=bearer(key))
    try:
        return decoder.decode(body or b"")
    except UNREADABLE:
        return None
