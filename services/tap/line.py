"""A client's connection. A prompt that came whole is sent on in the very call that brought it.

To wake aiohttp's task for the connection, and have it start the one that handles the request, takes two turns of the
loop: 0.06 ms of CPU (measured), which go by while the runtime is at work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import _ErrInfo

from services.tap import answers
from services.tap.going import Going

# A client sends its request at once; who connects and is silent costs a descriptor for no longer than this.
_FIRST_REQUEST_WITHIN_S = 10.0

SendAhead = Callable[[RawRequestMessage, StreamReader], Going | None]


class Line(web.RequestHandler):
    """`take` gives the handler of a request what was sent ahead of it."""

    __slots__ = ("_ahead", "_drop", "_lines", "_send_ahead", "_shown_out")

    def __init__(self, manager: Lines, send_ahead: SendAhead, drop: Callable[[Going], None], **settings: Any) -> None:
        super().__init__(manager, **settings)
        self._lines = manager
        self._send_ahead = send_ahead
        self._drop = drop
        self._ahead: Going | None = None
        self._shown_out: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Wait for the first request, and not for long."""
        super().connection_made(transport)
        self._shown_out = self._loop.call_later(_FIRST_REQUEST_WITHIN_S, self._show_out)

    def _show_out(self) -> None:
        if not self._request_count and self.transport is not None:
            self._lines.silent_total += 1
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Parse; and send on, where nothing else is under way here."""
        super().data_received(data)
        waits = self._waiter is not None  # the connection's task, for just this request
        if data and waits and self._ahead is None and len(self._messages) == 1:
            message, payload = self._messages[0]
            if isinstance(message, RawRequestMessage):
                self._ahead = self._send_ahead(message, payload)
        if self._messages and isinstance(self._messages[-1][0], _ErrInfo):
            self._break_off(self._messages[-1][0])

    def _break_off(self, error: _ErrInfo) -> None:
        """Tell who waits for the rest of a body that what came is none: aiohttp leaves it waiting."""
        request = self._current_request
        if request is not None and not request.content.is_eof():
            request.content.set_exception(error.exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP, or a fault of ours; aiohttp's own answer quotes what came."""
        super().handle_error(request, status, exc, message)
        answer = answers.no_request(exc)
        answer.force_close()
        return answer

    def take(self, request: web.BaseRequest) -> Going | None:
        """Return what was sent ahead of a request; None where it waits to be sent."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None and ahead.message is not request._message:
            self._drop(ahead)
            return None
        return ahead

    def connection_lost(self, exc: BaseException | None) -> None:
        """End what was sent for a client that did not stay to be handled."""
        super().connection_lost(exc)
        if self._shown_out is not None:
            self._shown_out.cancel()
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            self._drop(ahead)


class Lines(web.Server):
    """aiohttp's server with such connections; a client that leaves ends its request."""

    def __init__(self, handler: Any, send_ahead: SendAhead, drop: Callable[[Going], None], **settings: Any) -> None:
        """`send_ahead(message, payload)`: None, where it is for the handler; `drop(going)`: the handler never came."""
        super().__init__(handler, handler_cancellation=True)
        self.silent_total = 0
        """Connections that were closed since nothing was asked over them."""
        self._send_ahead = send_ahead
        self._drop = drop
        self._settings = settings

    def __call__(self) -> Line:
        """Make a connection's protocol."""
        return Line(self, self._send_ahead, self._drop, loop=self._loop, **self._settings)
