"""Connections to runtimes: kept open between requests, bytes of heads and bodies unchanged.

aiohttp's ClientSession costs a prompt 0.7 ms (measured, p50); of it only its parser and flow control
are used here, on connections of our own.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from bus.clock import monotonic_s
from services.tap.headers import RawHeaders
from services.tap.routes import Upstream

# Runtimes close idle connections after 5 s (uvicorn, cpp-httplib): ours go earlier, so that a prompt never meets
# a connection that is just being closed.
_KEEPALIVE_S = 2.0
_MOST_IDLE = 64
_CONNECT_S = 5.0
_BUFFER_BYTES = 64 * 1024
_MAX_HEADER_BYTES = 16 * 1024
_MAX_HEADERS = 100

Body = bytes | AsyncIterator[bytes] | None
OnSent = Callable[[float], None]


class NoAnswer(Exception):
    """The runtime gave none; the text says how, for people."""


@dataclass(slots=True)
class Answer:
    """The head of an answer, and its body as it comes; `close` when done, however that was."""

    status: int
    reason: str
    headers: RawHeaders
    chunked: bool
    content: StreamReader
    _pool: Upstreams
    _key: tuple[str, int]
    _connection: ResponseHandler
    _upload: asyncio.Task[None] | None

    def came(self) -> bytes:
        """Return what of the body has come and was not read, also from a runtime that is gone; at once."""
        # The reader's public methods raise for a broken connection before they give what came over it.
        return b"" if self.content is EMPTY_PAYLOAD else self.content._read_nowait(-1)

    def close(self) -> None:
        """Keep the connection where the answer was read to its end; else drop it, so that the runtime stops."""
        if self._upload is not None and not self._upload.done():
            self._upload.cancel()
            self._connection.close()
        elif self._connection.should_close or not self.content.is_eof():
            self._connection.close()
        else:
            self._pool.give_back(self._key, self._connection)


class Upstreams:
    """Idle connections, by address."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: defaultdict[tuple[str, int], list[tuple[float, ResponseHandler]]] = defaultdict(list)

    async def send(
        self, upstream: Upstream, method: bytes, head: bytes, body: Body, on_sent: OnSent | None = None
    ) -> Answer:
        """Send a request, return the head of the answer. Raises NoAnswer.

        `on_sent` is called with the monotonic time, in s, once the prompt is on its way and the runtime at work.
        """
        key = (upstream.host.strip("[]"), upstream.port)
        kept = self._take(key)
        try:
            if kept is not None and not isinstance(body, AsyncIterator):
                try:
                    return await self._exchange(key, kept, method, head, body, on_sent)
                except (aiohttp.ServerDisconnectedError, ConnectionError):
                    # It was closed while it lay idle, and the runtime has read nothing of this request.
                    kept.close()
            elif kept is not None:
                kept.close()
            connection = await self._connect(key)
            return await self._exchange(key, connection, method, head, body, on_sent)
        except (aiohttp.ServerDisconnectedError, ConnectionError) as error:
            raise NoAnswer("it closed the connection before it answered") from error
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError) as error:
            raise NoAnswer(f"its answer is no HTTP ({type(error).__name__})") from error

    async def _connect(self, key: tuple[str, int]) -> ResponseHandler:
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, connection = await self._loop.create_connection(lambda: ResponseHandler(self._loop), *key)
        except TimeoutError:
            raise NoAnswer(f"no connection within {_CONNECT_S:g} s") from None
        except OSError as error:
            raise NoAnswer("the connection was refused") from error
        return connection

    async def _exchange(
        self,
        key: tuple[str, int],
        connection: ResponseHandler,
        method: bytes,
        head: bytes,
        body: Body,
        on_sent: OnSent | None,
    ) -> Answer:
        upload: asyncio.Task[None] | None = None
        try:
            if connection.transport is None:
                raise ConnectionResetError
            sent_s = monotonic_s()
            if body is None or isinstance(body, bytes):
                connection.transport.write(head + body if body else head)
            else:
                connection.transport.write(head)
                chunked = b"\r\nTransfer-Encoding: chunked\r\n" in head
                upload = self._loop.create_task(_upload(connection, body, chunked=chunked), name="upload")
            # While the runtime works: making a parser takes 0.05 ms and more. No answer can come in before it is there.
            connection.set_response_params(
                skip_payload=method == b"HEAD",
                read_until_eof=True,
                auto_decompress=False,
                read_bufsize=_BUFFER_BYTES,
                max_line_size=_MAX_HEADER_BYTES,
                max_field_size=_MAX_HEADER_BYTES,
                max_headers=_MAX_HEADERS,
            )
            if on_sent is not None:
                on_sent(sent_s)
            while True:
                message, content = await connection.read()
                if message.code >= 200:
                    break
            return Answer(
                message.code,
                message.reason,
                list(message.raw_headers),
                message.chunked,
                content,
                self,
                key,
                connection,
                upload,
            )
        except BaseException:
            if upload is not None:
                upload.cancel()
            connection.close()
            raise

    def _take(self, key: tuple[str, int]) -> ResponseHandler | None:
        idle = self._idle[key]
        oldest_s = self._loop.time() - _KEEPALIVE_S
        while idle:
            since_s, connection = idle.pop()
            if since_s >= oldest_s and connection.is_connected() and not connection.should_close:
                return connection
            connection.close()
        return None

    def give_back(self, key: tuple[str, int], connection: ResponseHandler) -> None:
        """Keep a connection whose answer was read to its end."""
        idle = self._idle[key]
        if not idle:
            self._loop.call_later(_KEEPALIVE_S, self._expire, key)
        if len(idle) >= _MOST_IDLE:
            idle.pop(0)[1].close()
        idle.append((self._loop.time(), connection))

    def _expire(self, key: tuple[str, int]) -> None:
        idle = self._idle[key]
        oldest_s = self._loop.time() - _KEEPALIVE_S
        while idle and idle[0][0] <= oldest_s:
            idle.pop(0)[1].close()
        if idle:
            self._loop.call_at(idle[0][0] + _KEEPALIVE_S + 0.01, self._expire, key)

    def close(self) -> None:
        """Close all idle connections."""
        for idle in self._idle.values():
            for _, connection in idle:
                connection.close()
        self._idle.clear()


async def _upload(connection: ResponseHandler, body: AsyncIterator[bytes], *, chunked: bool) -> None:
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
    except (aiohttp.ClientError, aiohttp.web.RequestPayloadError, ConnectionError):
        # The client left in the middle, or the runtime did: the other side sees it by this.
        connection.close()
