"""Which models lie in memory, as their runtimes say. Asking loads and wakes nothing; who is not sure says none.

Ollama: /api/ps. llama-server: /props, and of a router /models, without a model's name in the address, which would load
it. LM Studio: /api/v0/models. vLLM and SGLang hold their model for as long as they run.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, NamedTuple

import aiohttp

from bus.runtime_names import LLAMA_CPP, LM_STUDIO, OLLAMA, SGLANG, VLLM
from services.tap.routes import Found
from services.tap.whole_answer import read_whole

_LONGEST = 1 << 20
_SERVED_WHOLE = frozenset({VLLM, SGLANG})


class Loaded(NamedTuple):
    """A model in memory."""

    runtime: str
    stays_s: float | None = None
    """How long its runtime will keep it without a request; None: it does not say, or for good."""


async def loaded_models(session: aiohttp.ClientSession, runtimes: Iterable[Found]) -> dict[str, Loaded]:
    """Model → how it is loaded, of all runtimes that were found."""
    found: dict[str, Loaded] = {}
    for runtime in runtimes:
        try:
            found |= await _of(session, runtime)
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            continue
    return found


async def _of(session: aiohttp.ClientSession, found: Found) -> dict[str, Loaded]:
    name, url = found.upstream.runtime, found.upstream.url
    if name in _SERVED_WHOLE:
        return {model: Loaded(name) for model in found.models}
    if name == OLLAMA:
        told = await _read(session, f"{url}/api/ps")
        return {str(model["name"]): Loaded(name, _stays_s(model.get("expires_at"))) for model in told["models"]}
    if name == LM_STUDIO:
        told = await _read(session, f"{url}/api/v0/models")
        return {str(model["id"]): Loaded(name) for model in told["data"] if model.get("state") == "loaded"}
    if name == LLAMA_CPP:
        props = await _read(session, f"{url}/props")
        if props.get("role") == "router":
            told = await _read(session, f"{url}/models")
            return {str(one["id"]): Loaded(name) for one in told["data"] if one["status"]["value"] == "loaded"}
        return {} if props.get("is_sleeping") else {model: Loaded(name) for model in found.models}
    return {}


async def _read(session: aiohttp.ClientSession, url: str) -> Any:
    body = await read_whole(session, "GET", url, longest=_LONGEST, timeout_s=2.0)
    return json.loads(body or b"")


def _stays_s(expires_at: Any) -> float | None:
    if not isinstance(expires_at, str):
        return None
    left_s = (datetime.fromisoformat(expires_at) - datetime.now(UTC)).total_seconds()
    # Ollama's "for good" is a date some centuries away.
    return left_s if left_s < 30 * 86_400 else None
