"""The collector: reads this machine on a monotonic grid and publishes what it reads. This file only wires it."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from bus.clock import until_beat_s
from bus.context import ServiceContext
from bus.service import run
from services.collector.collector import Collector
from services.collector.hearing import hear_requests
from services.collector.own_processes import OwnProcesses
from services.collector.processes.board import Board
from services.collector.sampler import GpuShare, Machine
from services.collector.samplers import factories
from services.collector.spikes.watch import Watch
from services.collector.wire import Wire

# About 10 minutes at the default rates: 17 kB a second, 12.5 in the 10 Hz row (two cores, one disk, one interface).
RING_BYTES = 10 * 1024 * 1024


@asynccontextmanager
async def collector(ctx: ServiceContext) -> AsyncIterator[None]:
    """Find what can be measured, read it until told to stop."""
    gpu = GpuShare()
    own = OwnProcesses(Path("/proc"), ctx.home.root)
    board = Board(own=own, gpu=lambda: gpu.by_pid)
    wire = Wire(ctx, board)
    machine = Machine(
        home=ctx.home.root,
        event=wire.event,
        setting=wire.setting,
        board=board,
        show=wire.show,
        gpu=gpu,
        runtimes=wire.runtimes,
        own=own,
    )
    watch = Watch(board, wire.setting, wire.spike)
    work = Collector(machine, factories(wire.warn), wire.setting, wire.write, wire, watch.observe)
    ctx.settings.on_change("collector.", lambda key, value: work.settings_changed())
    hear_requests(ctx, machine.asked)
    await ctx.serve()
    await asyncio.to_thread(work.start)
    ctx.spawn(report(ctx, work), "report cost")
    try:
        yield
    finally:
        await asyncio.to_thread(work.stop)


async def report(ctx: ServiceContext, work: Collector) -> None:
    """Tell the cost of each sampler with the heartbeat."""
    while True:
        for subject, percent in work.costs().items():
            ctx.counters[f"sampler_cpu_percent.{subject}"] = percent
        ctx.counters["sampler_errors_total"] = work.errors()
        ctx.counters["failures_total"] = work.failures
        ctx.counters["missed_ticks_total"] = sum(pace.missed for pace in work.paces())
        await asyncio.sleep(until_beat_s())


if __name__ == "__main__":
    sys.exit(run("collector", collector, holds=True, ring_bytes=RING_BYTES))
