"""An answer on its way to the client: each piece is written in the very call that brings it, and read afterwards.

Waking a task for it costs the head of an answer 0.04 ms of CPU, and each piece 0.03 ms (measured).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiohttp import web
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from bus.clock import monotonic_s
from services.tap.connection import Answer, Connection
from services.tap.reply import Reply

# 16 KiB of tokens take 3 ms to read (measured); no model makes so many at once. More waits for the others' turns.
_TURN_BYTES = 16 << 10

Change = Callable[[bytes], bytes]
Look = Callable[[bytes, float], None]
"""Bytes of the runtime, and the monotonic time, in s, at which they came."""


class Relay:
    """Hears an answer by `hear`, or is given it by `begin`; then `run` until it is over."""

    def __init__(self, request: web.BaseRequest, *, reads: bool) -> None:
        """`reads`: what passes is looked at; else it is forgotten at once."""
        self._request = request
        self._reads = reads
        self._reply: Reply | None = None
        self._content: StreamReader = EMPTY_PAYLOAD
        self._change: Change | None = None
        self._unread: list[tuple[bytes, float]] = []
        self._unread_bytes = 0
        self._failed: ConnectionError | None = None
        self._waiter: asyncio.Future[None] | None = None

    def hear(self, connection: Connection) -> None:
        """Pass on what a connection has brought, and what it brings from now on."""
        connection.on_news = self.came
        self.came(connection)

    def came(self, connection: Connection) -> None:
        """Pass on what a connection brought: it calls this itself."""
        if self._reply is not None:
            self._pass_on()
        elif (answer := connection.peek()) is not None:
            self.begin(answer)
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def begin(self, answer: Answer, change: Change | None = None) -> Reply:
        """Send the client the answer's head, with what came of its body; where that was done already, nothing.

        `change` makes of the runtime's bytes those for the client; None: they are the same.
        """
        if self._reply is not None:
            return self._reply
        answer.connection.on_news = self.came
        self._content, self._change = answer.content, change
        self._reply = reply = Reply(self._request, answer, changed=change is not None)
        data = self._next()
        try:
            reply.begin(data if change is None else change(data), last=self._is_last)
        except ConnectionError as error:
            self._failed = error
        self._pass_on()
        return reply

    async def run(self, look: Look) -> bool:
        """Pass the answer on until it ends; return whether it came to its end. Raises ConnectionError: the client left.

        A client that is slow slows the runtime down: what it does not take is not read from it.
        """
        try:
            return await self._run(look)
        finally:
            self._look(look)  # what reached the client counts, however it ended

    async def _run(self, look: Look) -> bool:
        content, protocol = self._content, self._request.protocol
        while True:
            self._pass_on()
            self._look(look)
            if self._failed is not None:
                raise self._failed
            if content.at_eof():
                return True
            if protocol.writing_paused:
                await protocol._drain_helper()
            elif content._buffer:
                await asyncio.sleep(0)  # there is more: the others first
            elif content.exception() is not None:
                return False
            else:
                await self._news()

    def _pass_on(self) -> None:
        """Write what came, as far as the client takes it, and one turn ahead of those who read it."""
        reply, change, protocol = self._reply, self._change, self._request.protocol
        if reply is None or self._failed is not None:
            return
        try:
            while not protocol.writing_paused and self._unread_bytes < _TURN_BYTES and (data := self._next()):
                if said := data if change is None else change(data):
                    reply.write_on(said, last=self._is_last)
            if self._is_last:
                reply.end()
        except ConnectionError as error:
            self._failed = error

    @property
    def _is_last(self) -> bool:
        """Whether nothing follows; who changes an answer may hold back some of it."""
        return self._change is None and self._content.at_eof()

    def _next(self) -> bytes:
        """Take what came, also from a runtime that is gone: the reader's public methods raise before they give it."""
        content = self._content
        if content is EMPTY_PAYLOAD or not content._buffer:
            return b""
        data = content._read_nowait(_TURN_BYTES if self._reads else -1)
        if self._reads:
            self._unread.append((data, monotonic_s()))
            self._unread_bytes += len(data)
        return data

    def _look(self, look: Look) -> None:
        unread, self._unread, self._unread_bytes = self._unread, [], 0
        for data, time_s in unread:
            look(data, time_s)

    async def _news(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None
