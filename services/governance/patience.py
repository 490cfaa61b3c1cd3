"""A full disk is a reason to wait, not to give up: what was accepted is tried again until it is written."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from bus.database import DatabaseReplaced, DiskFull

RETRY_S = 1.0
T = TypeVar("T")


async def patiently(
    work: Callable[[], Awaitable[T]], told: Callable[[str | None], None], retry_s: float = RETRY_S
) -> T:
    """Return what `work` returns once the disk takes it; `told` has the reason until then, then None."""
    waited = False
    while True:
        try:
            value = await work()
        except DatabaseReplaced:
            continue
        except DiskFull as full:
            waited = True
            told(str(full))
            await asyncio.sleep(retry_s)
        else:
            if waited:
                told(None)
            return value
