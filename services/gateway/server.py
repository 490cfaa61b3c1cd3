"""The listening HTTP server around the app."""

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable, Sequence

from aiohttp import web

from services.gateway.slow_clients import SlowClients

_KEEPALIVE_S = 30.0
_MAX_HEADER_BYTES = 8190
_DRAIN_S = 0.5


class Malformed(logging.Filter):
    """Takes aiohttp's report of bytes that are no HTTP: the sender had its 400, a log line each would let it fill
    the disk. Faults of handlers are logged by the doorkeeper.
    """

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Counts, and lets nothing through."""
        self.total += 1
        return False


class HttpDoor:
    """Serves the app on a socket; `close` tells pages first, then ends."""

    def __init__(
        self,
        app: web.Application,
        slow: SlowClients,
        on_close: Sequence[Callable[[], Awaitable[None]]] = (),
        *,
        unpacks: bool = True,
    ) -> None:
        """`unpacks`: whether bodies with a Content-Encoding reach the app unpacked."""
        self._slow = slow
        self._on_close = on_close
        self.malformed = Malformed()
        reports = logging.getLogger("wfmon.http")
        reports.addFilter(self.malformed)
        self._runner = web.AppRunner(
            app,
            access_log=None,  # addresses hold tickets; what is refused is counted instead
            handle_signals=False,
            logger=reports,
            keepalive_timeout=_KEEPALIVE_S,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            max_headers=64,
            lingering_time=1.0,
            shutdown_timeout=_DRAIN_S,
            auto_decompress=unpacks,
        )
        self._server: asyncio.Server | None = None

    async def serve(self, door: socket.socket) -> None:
        """Listens on `door`, a socket of doors.listen."""
        await self._runner.setup()
        factory = self._runner.server
        assert factory is not None  # noqa: S101 - setup made it
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._slow.watch(factory), sock=door, backlog=512)

    async def close(self) -> None:
        """Takes no more, says goodbye to pages, ends what still runs."""
        if self._server is not None:
            self._server.close()
        for goodbye in self._on_close:
            await goodbye()
        await self._runner.cleanup()
