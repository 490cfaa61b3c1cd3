"""What LM Studio tells of its models in one list: which are in memory, and which answer chats. Asking loads none."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import aiohttp
import msgspec
from msgspec import Struct

from bus.unreadable import UNREADABLE
from services.tap.routes import Upstream
from services.tap.whole_answer import read_whole

_LONGEST = 4 << 20


class Model(Struct, gc=False):
    """One row of the list; None: not told."""

    id: str | None = None
    type: str | None = None
    state: str | None = None


class _Models(Struct, gc=False):
    data: list[Model] | None = None


_decoder = msgspec.json.Decoder(_Models)


async def listed(session: aiohttp.ClientSession, upstream: Upstream) -> list[Model]:
    """Return the list; empty where the runtime does not tell."""
    url = f"http://{upstream.authority}/api/v0/models"
    body = await read_whole(session, "GET", url, longest=_LONGEST, timeout_s=3.0)
    try:
        return _decoder.decode(body or b"{}").data or []
    except UNREADABLE:
        return []


def in_memory(models: Sequence[Model]) -> Callable[[str], bool | None]:
    """Return whether a model is in memory, by its name; None where that is not told."""
    loaded = {one.id: one.state == "loaded" for one in models if one.state}
    return loaded.get


def chats(models: Sequence[Model]) -> dict[str, bool]:
    """Return whether each model answers chats; those it is not told of are left out."""
    return {one.id: one.type in ("llm", "vlm") for one in models if one.id and one.type}
