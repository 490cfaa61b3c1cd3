"""`/sse`: the live stream as JSON, ten times a second, for clients without WebSocket (EventSource, curl -N)."""

import asyncio
from collections.abc import Callable

from aiohttp import web
from wfmonitor.v1.live_pb2 import LiveFrame

from bus.plain import to_plain
from services.gateway.encoding import encode
from services.gateway.live_hub import LiveHub
from services.gateway.refusal import Refusal
from services.gateway.slot import Slot
from services.gateway.stalls import StallWatch

_EACH_S = 0.1
_COMMENT_EACH_S = 15.0


class SseClient:
    """One reader; its slot gathers frames between two writes."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self.slot = Slot()
        self._stall = StallWatch(transport)

    def wake(self) -> None:
        """It looks at its slot by its own clock."""

    def tick(self, now_s: float) -> None:
        """Its own write waits for it, nobody else does; one that takes nothing any more is cut."""
        self._stall.tick(now_s)


class SseDoor:
    """The handler of `/sse`."""

    def __init__(self, hub: LiveHub, spend_ticket: Callable[[str], bool]) -> None:
        self._hub = hub
        self._spend_ticket = spend_ticket
        self._tasks: set[asyncio.Task[object]] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answers with an event stream; each event is one LiveFrame, `id` its sequence number."""
        if not self._spend_ticket(request.query.get("ticket", "")):
            raise Refusal(
                401, "ticket", "it is absent, used or older than 30 s.", "POST /api/v1/ticket for a fresh one."
            )
        if self._hub.full:
            raise Refusal(
                503,
                "/sse",
                f"{self._hub.max_clients} pages are connected.",
                "Close one, or raise the setting gateway.clients.max.",
            )
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        if request.transport is None:
            return response
        client = SseClient(request.transport)
        task = asyncio.current_task()
        assert task is not None  # noqa: S101 - a handler always runs in one
        self._tasks.add(task)
        self._hub.join(client)
        try:
            await self._write(response, client)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            self._hub.leave(client)
            self._tasks.discard(task)
        return response

    async def close(self) -> None:
        """Ends every stream; EventSource connects again by itself."""
        for task in tuple(self._tasks):
            task.cancel()

    async def _write(self, response: web.StreamResponse, client: SseClient) -> None:
        silent_s = 0.0
        while True:
            await asyncio.sleep(_EACH_S)
            content = client.slot.take()
            if content is not None:
                frame = LiveFrame.FromString(content)
                await response.write(b"id: %d\ndata: %b\n\n" % (frame.seq, encode(to_plain(frame))))
                silent_s = 0.0
            elif (silent_s := silent_s + _EACH_S) >= _COMMENT_EACH_S:
                await response.write(b": still here\n\n")
                silent_s = 0.0
