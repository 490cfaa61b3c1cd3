"""One connection to a runtime: writes a prompt, tells at once that something of the answer came.

aiohttp's ClientSession costs a prompt 0.7 ms (measured, p50); of it only its parser and flow control are used here.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import NamedTuple

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.http_exceptions import BadStatusLine, HttpProcessingError
from aiohttp.streams import StreamReader

from bus.clock import monotonic_s
from services.tap.headers import RawHeaders
from services.tap.routes import Upstream

_BUFFER_BYTES = 64 * 1024
_MAX_HEADER_BYTES = 16 * 1024
_MAX_HEADERS = 100
# To another protocol, which nobody asked for: upgrades do not pass.
_SWITCHES = 101

Body = bytes | AsyncIterator[bytes] | None
Key = tuple[str, int]


class Prompt(NamedTuple):
    """A request as the runtime gets it."""

    upstream: Upstream
    method: bytes
    head: bytes
    body: Body

    @property
    def key(self) -> Key:
        """The address that connections are kept by."""
        return self.upstream.host.strip("[]"), self.upstream.port


class Connection(ResponseHandler):
    """`send` a prompt, then `read` the head of its answer; `on_news` hears of every piece in between."""

    def __init__(self, loop: asyncio.AbstractEventLoop, key: Key, give_back: Callable[[Connection], None]) -> None:
        """`give_back(connection)`: its answer was read to the end."""
        super().__init__(loop)
        self.key = key
        self.give_back = give_back
        self.upload: asyncio.Task[None] | None = None
        self.on_news: Callable[[Connection], None] | None = None
        """Called in the very call of the loop that brought bytes, or the end of the connection."""

    def send(self, prompt: Prompt) -> float:
        """Write a prompt; return the monotonic time, in s, at which it went. Raises ConnectionResetError."""
        if self.transport is None:
            raise ConnectionResetError
        sent_s = monotonic_s()
        body = prompt.body
        if body is None or isinstance(body, bytes):
            self.transport.write(prompt.head + body if body else prompt.head)
        else:
            self.transport.write(prompt.head)
            chunked = b"\r\nTransfer-Encoding: chunked\r\n" in prompt.head
            self.upload = self._loop.create_task(_upload(self, body, chunked=chunked), name="upload")
        # While the runtime works: making a parser takes 0.05 ms and more. No answer can come in before it is there.
        self.set_response_params(
            skip_payload=prompt.method == b"HEAD",
            read_until_eof=True,
            auto_decompress=False,
            read_bufsize=_BUFFER_BYTES,
            max_line_size=_MAX_HEADER_BYTES,
            max_field_size=_MAX_HEADER_BYTES,
            max_headers=_MAX_HEADERS,
        )
        return sent_s

    def data_received(self, data: bytes) -> None:
        """Parse, and tell."""
        super().data_received(data)
        if data and self.on_news is not None:
            self.on_news(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End what is under way, and tell."""
        super().connection_lost(exc)
        if self.on_news is not None:
            self.on_news(self)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Read on after a pause; without one there is nothing to do, though aiohttp runs its parser for every piece."""
        if self._reading_paused:
            super().resume_reading(resume_parser)

    async def answer(self) -> Answer:
        """Wait for the head of the answer. Raises as aiohttp does."""
        while True:
            message, content = await self.read()
            if message.code >= 200:
                return self._answer(message, content)
            if message.code < 100 or message.code == _SWITCHES:
                raise BadStatusLine(f"{message.code}")  # behind it comes no answer

    def peek(self) -> Answer | None:
        """Return the answer whose head has come and nobody has taken; None before."""
        if not self._buffer:
            return None
        message, content = self._buffer[0][0]
        return self._answer(message, content) if message.code >= 200 else None

    def _answer(self, message: RawResponseMessage, content: StreamReader) -> Answer:
        return Answer(message.code, message.reason, message.raw_headers, message.chunked, content, self)


@dataclass(slots=True)
class Answer:
    """The head of an answer, and its body as it comes; `close` when done, however that was."""

    status: int
    reason: str
    headers: RawHeaders
    chunked: bool
    content: StreamReader
    connection: Connection

    def close(self) -> None:
        """Keep the connection where the answer was read to its end; else drop it, so that the runtime stops."""
        connection = self.connection
        connection.on_news = None
        upload, connection.upload = connection.upload, None
        if upload is not None and not upload.done():
            upload.cancel()
            connection.close()
        elif connection.should_close or not self.content.is_eof():
            connection.close()
        else:
            connection.give_back(connection)


async def _upload(connection: Connection, body: AsyncIterator[bytes], *, chunked: bool) -> None:
    """Pass a body on as it comes; a runtime that reads slowly slows the client down."""
    try:
        async for part in body:
            if connection.transport is None:
                return
            if chunked:
                connection.transport.writelines((f"{len(part):x}\r\n".encode(), part, b"\r\n"))
            else:
                connection.transport.write(part)
            await connection._drain_helper()
        if chunked and connection.transport is not None:
            connection.transport.write(b"0\r\n\r\n")
    except (aiohttp.ClientError, aiohttp.web.RequestPayloadError, HttpProcessingError, ConnectionError):
        # The client left in the middle or sent what is no HTTP, or the runtime left: the other side sees it by this.
        connection.close()
