"""A service of a few lines, for the tests of the life cycle: `python -m tests.bus.small_service --home DIR`."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus import topics
from bus.context import ServiceContext
from bus.service import run


@asynccontextmanager
async def small(ctx: ServiceContext) -> AsyncIterator[None]:
    ctx.subscribe([topics.SAMPLES], lambda topic, payload: fail() if payload == b"fail" else None)
    if os.environ.get("SMALL") == "looks rarely":
        ctx.hear_at_once(topics.TOKENS)
        for prefix in (topics.TOKENS, topics.EVENTS):
            ctx.counters[prefix] = 0
            ctx.subscribe([prefix], lambda topic, payload: count(ctx, topic))
        ctx.subscriber.pace(1e6)
    ctx.reload_hooks.append(lambda: ctx.log.info("reloaded"))
    await ctx.serve()
    if os.environ.get("SMALL") == "fails":
        ctx.spawn(crash(), "crash")
    yield
    if os.environ.get("SMALL") == "hangs":
        await asyncio.sleep(60)


def count(ctx: ServiceContext, topic: str) -> None:
    ctx.counters["/".join(topic.split("/")[:2]) + "/"] += 1


def fail() -> None:
    raise ValueError("rubbish\nwith a second line")


async def crash() -> None:
    raise RuntimeError("the disk has gone")


if __name__ == "__main__":
    sys.exit(run("small", small, follows_settings=False))
