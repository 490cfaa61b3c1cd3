"""Waiting in a loop of asyncio for what another process will say: asked again and again, never slept for."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

T = TypeVar("T")
# Asked without a pause, a service would have no time for what it is asked about.
_EACH_S = 0.02


async def until(ask: Callable[[], Awaitable[T] | T], timeout_s: float = 60.0) -> T:
    """The first answer that is a yes. Raises TimeoutError."""
    async with asyncio.timeout(timeout_s):
        while True:
            answer = ask()
            found = cast(T, await answer if inspect.isawaitable(answer) else answer)
            if found:
                return found
            await asyncio.sleep(_EACH_S)
