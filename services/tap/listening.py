"""The tap's port: 127.0.0.1 only, bounded heads, and no log of what is no HTTP."""

from __future__ import annotations

import asyncio
import logging
import socket

from bus.descriptors import raise_descriptor_limit
from bus.home import HomeError
from services.tap.line import Lines
from services.tap.proxy import Proxy

_HOST = "127.0.0.1"
_MAX_HEADER_BYTES = 16 * 1024
_MAX_HEADERS = 100
_KEEPALIVE_S = 75.0
_DRAIN_S = 0.5


class Malformed(logging.Filter):
    """Takes aiohttp's reports of bytes that are no HTTP: they quote them, and they may be anybody's prompt."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def filter(self, record: logging.LogRecord) -> bool:
        """Counts, and lets nothing through."""
        self.total += 1
        return False


class Door:
    """Serves the proxy; `serve` binds, `close` ends."""

    def __init__(self, proxy: Proxy) -> None:
        self.malformed = Malformed()
        reports = logging.getLogger("wfmon.tap.http")
        reports.addFilter(self.malformed)
        self._server = Lines(
            proxy.handle,
            proxy.ahead,
            proxy.drop,
            access_log=None,
            logger=reports,
            auto_decompress=False,
            keepalive_timeout=_KEEPALIVE_S,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            max_headers=_MAX_HEADERS,
            lingering_time=1.0,
        )
        self._listening: asyncio.Server | None = None

    @property
    def silent_total(self) -> int:
        """Connections that were closed since nothing was asked over them."""
        return self._server.silent_total

    async def serve(self, port: int) -> None:
        """Listen. Raises HomeError where another program holds the port."""
        raise_descriptor_limit()
        loop = asyncio.get_running_loop()
        try:
            self._listening = await loop.create_server(
                self._server, _HOST, port, backlog=512, reuse_address=True, family=socket.AF_INET
            )
        except OSError as error:
            raise HomeError(
                f"port {port} cannot be opened for the tap: {error.strerror}. "
                "Stop the program that holds it, or choose another block with --port-base."
            ) from error

    async def close(self) -> None:
        """Take no more, end what still runs."""
        if self._listening is not None:
            self._listening.close()
        self._server.pre_shutdown()
        await self._server.shutdown(_DRAIN_S)
