"""Where `wfmon top` gets its frames: one question to the gateway at a time, in the app's own loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

import grpc
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.live_pb2 import LiveFrame
from wfmonitor.v1.metrics_service_pb2 import BackfillRequest, ListEventsRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from bus.home import Home
from services.cli.connection import CHANNEL_OPTIONS, explained, read_token
from services.cli.errors import CliError
from services.cli.top.model import SPAN_S

_EVENTS = 50
_EVENTS_BACK_US = 3600 * 1_000_000
_TIMEOUT_S = 5.0
_AGAIN_S = 1.0


@dataclass(frozen=True, slots=True)
class News:
    """What one question brought, or why it brought nothing."""

    frames: Sequence[LiveFrame] = ()
    events: Sequence[Event] = ()
    trouble: str = ""


async def feed(home: Home, every_s: float) -> AsyncIterator[News]:
    """Yield the last minute once, then what is new each `every_s`; goes on through restarts of the gateway."""
    while True:
        try:
            async for news in _connected(home, every_s):
                yield news
        except grpc.RpcError as error:
            yield News(trouble=str(explained(error, home)))
        except CliError as error:
            yield News(trouble=str(error))
        await asyncio.sleep(_AGAIN_S)


async def _connected(home: Home, every_s: float) -> AsyncIterator[News]:
    metadata = (("authorization", f"Bearer {read_token(home)}"),)
    seconds = SPAN_S
    async with grpc.aio.insecure_channel(f"127.0.0.1:{home.ports.grpc}", options=CHANNEL_OPTIONS) as channel:
        stub = MetricsServiceStub(channel)
        while True:
            request = BackfillRequest(seconds=seconds)
            frames = [frame async for frame in stub.Backfill(request, timeout=_TIMEOUT_S, metadata=metadata)]
            now_us = max((frame.time_us for frame in frames), default=0)
            since = ListEventsRequest(start_us=now_us - _EVENTS_BACK_US, end_us=now_us, limit=_EVENTS)
            answer = await stub.ListEvents(since, timeout=_TIMEOUT_S, metadata=metadata)
            yield News(frames, answer.events)
            # More than passes between two questions, so that no row falls between them.
            seconds = 2.0 * every_s + 1.0
            await asyncio.sleep(every_s)
