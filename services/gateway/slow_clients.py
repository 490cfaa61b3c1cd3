"""Connections that never finish a request: each costs a descriptor, so they are bounded and shown out."""

import asyncio
from collections.abc import Callable

from aiohttp import web

# A browser sends its request at once; ten seconds are for a person who types into netcat.
FIRST_REQUEST_WITHIN_S = 10.0
MAX_SILENT = 1000


class SlowClients:
    """Watches connections from their first byte to their first whole request."""

    def __init__(self, now_s: Callable[[], float], max_silent: int = MAX_SILENT) -> None:
        self._now_s = now_s
        self._max_silent = max_silent
        self._silent: dict[asyncio.BaseProtocol, float] = {}
        self.closed_total = 0

    def watch(self, factory: Callable[[], web.RequestHandler]) -> Callable[[], web.RequestHandler]:
        """The protocol factory of a listening socket, with every new connection under watch."""

        def make() -> web.RequestHandler:
            protocol = factory()
            self._silent[protocol] = self._now_s()
            if len(self._silent) > self._max_silent:
                self._close(next(iter(self._silent)))
            return protocol

        return make

    def spoke(self, protocol: asyncio.BaseProtocol) -> None:
        """A whole request came: no longer our concern (aiohttp's keep-alive takes over)."""
        self._silent.pop(protocol, None)

    def tick(self) -> None:
        """Once a second: shows out who has been silent for too long."""
        limit_s = self._now_s() - FIRST_REQUEST_WITHIN_S
        for protocol in [p for p, since_s in self._silent.items() if since_s < limit_s]:
            self._close(protocol)

    def _close(self, protocol: asyncio.BaseProtocol) -> None:
        del self._silent[protocol]
        transport = getattr(protocol, "transport", None)
        if transport is not None and not transport.is_closing():
            transport.abort()
            self.closed_total += 1
