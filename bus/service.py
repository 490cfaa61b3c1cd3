"""The one life cycle of every service: lock, start, ready, heartbeat, reload, drain, and the reason of a crash.

    @asynccontextmanager
    async def collector(ctx: ServiceContext) -> AsyncIterator[None]:
        ...                      # open what it needs
        await ctx.serve(add)     # answer questions
        yield                    # ready; leaving this point drains

    if __name__ == "__main__":
        sys.exit(run("collector", collector))

SIGTERM and SIGINT drain (2 s at most), SIGHUP reloads the settings. Under supervisord a service also ends
when its supervisor has gone, so that a new one does not meet locked-out orphans.
"""

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import os
import signal
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import zmq
from wfmonitor.v1.health_pb2 import ServiceState

from bus.clock import until_beat_s, wall_us
from bus.context import ServiceContext
from bus.crash import EXIT_FAILED, EXIT_REFUSED, keep_crash
from bus.home import Home, HomeError
from bus.journal.ring_file import RingFile
from bus.locks import AlreadyRunning, hold_pid_file
from bus.logs import ServiceLogger, open_log
from bus.rings import ring_folder
from bus.samples import SampleProducer, Send
from bus.supervision import supervisord_pid

Body = Callable[[ServiceContext], AbstractAsyncContextManager[None]]

DRAIN_S = 2.0
# A life begins among others that begin: who was not yet listening when we said READY hears it soon after.
_FIRST_BEATS_S = 0.2
_FIRST_BEATS = 20
# What is still there so long after the start stays until the end.
_SETTLED_AFTER_S = 5.0
# About the last 10 minutes of one service's own figures.
_RING_BYTES = 512 * 1024


def run(
    name: str,
    body: Body,
    *,
    follows_settings: bool = True,
    listens: bool = False,
    holds: bool = False,
    ring_bytes: int = _RING_BYTES,
) -> int:
    """Runs a service to its end and returns the exit code.

    `listens`: it hears subscriptions (XPUB). `holds`: its rows wait for the beat while nobody asks for them sooner
    (bus/outbox.py).
    """
    os.umask(0o077)
    parser = argparse.ArgumentParser(prog=f"python -m services.{name}")
    parser.add_argument("--home", help="the folder of data, keys and logs")
    home = Home.resolve(parser.parse_args().home)
    log = open_log(name)
    faulthandler.enable()
    try:
        home.prepare()
        _ = home.config
        with hold_pid_file(home.pid_file(name), name):
            asyncio.run(_live(name, home, log, body, follows_settings, listens, holds, ring_bytes))
    except (HomeError, AlreadyRunning) as refusal:
        log.error(str(refusal))
        keep_crash(home, name, refusal)
        return EXIT_REFUSED
    except Exception as error:
        log.error("the service failed", exc_info=True)
        keep_crash(home, name, error)
        return EXIT_FAILED
    return 0


async def _live(
    name: str,
    home: Home,
    log: ServiceLogger,
    body: Body,
    follows_settings: bool,
    listens: bool,
    holds: bool,
    ring_bytes: int,
) -> None:
    ring = RingFile(ring_folder(home) / f"{name}.ring", ring_bytes)
    zmq_context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    epoch = wall_us()

    def samples_of(send: Send) -> SampleProducer:
        return SampleProducer(name, epoch, ring, send)

    ctx = ServiceContext(name, home, log, samples_of, zmq_context, listens, holds)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, _stop, stop, log)
    loop.add_signal_handler(signal.SIGHUP, lambda: _reload(ctx, follows_settings))
    heartbeat = loop.create_task(_beat(ctx, stop))
    try:
        await _body(ctx, body, follows_settings, stop)
    finally:
        heartbeat.cancel()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S / 2):
                await ctx.close()
        ring.close()
        zmq_context.term()


def _stop(stop: asyncio.Event, log: ServiceLogger) -> None:
    """Begins the drain, and bounds it: what is not done by then is in a journal or lost for good."""
    if not stop.is_set():
        stop.set()
        asyncio.get_running_loop().call_later(DRAIN_S, _overdue, log)


def _overdue(log: ServiceLogger) -> None:
    log.error("not drained in time; ending at once", seconds=DRAIN_S)
    os._exit(EXIT_FAILED)


async def _body(ctx: ServiceContext, body: Body, follows_settings: bool, stop: asyncio.Event) -> None:
    stopping = asyncio.ensure_future(stop.wait())
    starting = asyncio.ensure_future(_start(ctx, follows_settings))
    await _first_of(stopping, starting, ctx.failure)
    if stop.is_set():
        starting.cancel()
        return
    async with body(ctx):
        ctx.enter(ServiceState.SERVICE_STATE_READY)
        ctx.log.info("ready", pid=os.getpid(), epoch=ctx.epoch)
        asyncio.get_running_loop().call_later(_SETTLED_AFTER_S, _settle)
        await _first_of(stopping, ctx.failure)
        ctx.enter(ServiceState.SERVICE_STATE_DRAINING)
    ctx.log.info("stopped")


def _settle() -> None:
    """Takes what has settled out of the garbage collector's sight: a look through it stops the aggregator for 20 ms."""
    gc.collect()
    gc.freeze()


async def _start(ctx: ServiceContext, follows_settings: bool) -> None:
    if follows_settings:
        ctx.enter(ServiceState.SERVICE_STATE_STARTING, "waiting for governance to answer with the settings")
        await ctx.follow_settings()


async def _first_of(*futures: "asyncio.Future[Any]") -> None:
    """Waits for the first to end; raises what it raised."""
    done, _ = await asyncio.wait(futures, return_when=asyncio.FIRST_COMPLETED)
    for future in done:
        future.result()


async def _beat(ctx: ServiceContext, stop: asyncio.Event) -> None:
    parent = supervisord_pid(ctx.home)
    beats = 0
    while True:
        ctx.beat()
        if parent is not None and os.getppid() != parent:
            ctx.log.warning("supervisord has gone; stopping with it")
            _stop(stop, ctx.log)
        beats += 1
        await asyncio.sleep(until_beat_s() if beats > _FIRST_BEATS else _FIRST_BEATS_S)


def _reload(ctx: ServiceContext, follows_settings: bool) -> None:
    ctx.log.info("reloading")
    if follows_settings:
        ctx.spawn(ctx.settings.load(ctx.channel("governance"), timeout_s=5.0), "reload settings")
    for hook in ctx.reload_hooks:
        hook()
