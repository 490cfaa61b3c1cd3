"""A service like any other that publishes one straight line at 10 Hz: its value is the seconds of the boot clock.

    python -m tests.faults.ramp --home DIR

What a window says of it shows at once whether the window jumped: over 10 s the average lies 5 s behind.
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, wall_us
from bus.context import ServiceContext
from bus.series import Series
from bus.service import run

NAME = "ramp"
SERIES = Series("model.tps", "model:ramp")
RATE_HZ = 10.0


@asynccontextmanager
async def ramp(ctx: ServiceContext) -> AsyncIterator[None]:
    await ctx.serve()
    ctx.spawn(climb(ctx), "climb")
    yield


async def climb(ctx: ServiceContext) -> None:
    table = ctx.samples.table(SERIES.source, RateGroup.RATE_GROUP_RESOURCE, RATE_HZ)
    due_s = time.monotonic()
    while True:
        due_s += 1 / RATE_HZ
        await asyncio.sleep(max(0.0, due_s - time.monotonic()))
        now_us = boot_us()
        table.write((SERIES,), (wall_us(),), (now_us,), (now_us / 1e6,))


if __name__ == "__main__":
    sys.exit(run(NAME, ramp, follows_settings=False))
