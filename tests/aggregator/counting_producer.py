"""A producer whose rows can be counted: `python -m tests.aggregator.counting_producer --home DIR`.

Two tables; each row's first column is a number that no other row has.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, wall_us
from bus.context import ServiceContext
from bus.samples import SampleTable
from bus.series import Series
from bus.service import run

NAME = "counting"
NUMBER = Series("system.load1", "system")
OTHER = Series("system.load5", "system")
HZ = float(os.environ.get("COUNTING_HZ", "100"))


@asynccontextmanager
async def counting(ctx: ServiceContext) -> AsyncIterator[None]:
    fast = ctx.samples.table("system", RateGroup.RATE_GROUP_RENDER, HZ)
    slow = ctx.samples.table("monitor:counting", RateGroup.RATE_GROUP_RESOURCE, HZ / 10)
    await ctx.serve()
    ctx.spawn(_write(ctx, fast, slow), "count")
    yield


async def _write(ctx: ServiceContext, fast: SampleTable, slow: SampleTable) -> None:
    # Numbers of one start never meet those of another: it began at another microsecond.
    first = ctx.epoch % 1_000_000_000 * 1_000.0
    n = 0
    while True:
        fast.write((NUMBER, OTHER), [wall_us()], [boot_us()], [first + n, 0.5])
        if n % 10 == 0:
            slow.write((Series("system.load15", "system"),), [wall_us()], [boot_us()], [first + n])
        if n == 500:
            ctx.emit("restart", "system", "half a thousand rows")
        n += 1
        await asyncio.sleep(1 / HZ)


if __name__ == "__main__":
    sys.exit(run(NAME, counting, follows_settings=False, holds=True, ring_bytes=8 << 20))
