"""Connections to runtimes, kept open between requests."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from typing import NamedTuple

import aiohttp

from bus.clock import monotonic_s
from services.tap.connection import Answer, Connection, Key, Prompt

# Runtimes close idle connections after 5 s (uvicorn, cpp-httplib): ours go earlier, so that a prompt never meets
# a connection that is just being closed.
_KEEPALIVE_S = 2.0
_MOST_IDLE = 64
_CONNECT_S = 5.0
# A connection that ends later than this after a prompt was sent did not end while it lay idle.
_RACE_S = 1.0

OnSent = Callable[[float], None]
OnNews = Callable[[Connection], None]


class NoAnswer(Exception):
    """The runtime gave none; the text says how, for people."""


class Sent(NamedTuple):
    """A prompt that is on its way, and the monotonic time, in s, at which it went."""

    connection: Connection
    time_s: float


class Upstreams:
    """Idle connections, by address."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._idle: defaultdict[Key, list[tuple[float, Connection]]] = defaultdict(list)

    def send(self, prompt: Prompt) -> Sent | None:
        """Send over a connection that lies idle, at once; None where none does, or the body is still coming."""
        if isinstance(prompt.body, AsyncIterator):
            return None  # over a kept connection that turns out to be closed, it could not be sent again
        kept = self._take(prompt.key)
        return None if kept is None else Sent(kept, kept.send(prompt))

    async def answer(
        self, prompt: Prompt, sent: Sent | None, on_sent: OnSent | None = None, on_news: OnNews | None = None
    ) -> Answer:
        """Return the head of the answer; sends the prompt first where it is not on its way. Raises NoAnswer.

        `on_sent` is called with the monotonic time, in s, at which the prompt went, while the runtime is at work;
        `on_news` as the connection's own, from then on.
        """
        try:
            if sent is not None:
                try:
                    return await self._wait(sent, on_sent, on_news)
                except (aiohttp.ServerDisconnectedError, ConnectionError):
                    # It was closed while it lay idle, and the runtime has read nothing of this request. Not so where
                    # that took long: a prompt that was worked on is not sent again.
                    if monotonic_s() - sent.time_s > _RACE_S:
                        raise
                    sent.connection.close()
            connection = await self._connect(prompt.key)
            return await self._wait(Sent(connection, connection.send(prompt)), on_sent, on_news)
        except (aiohttp.ServerDisconnectedError, ConnectionError) as error:
            raise NoAnswer("it closed the connection before it answered") from error
        except (aiohttp.ClientError, aiohttp.http.HttpProcessingError) as error:
            raise NoAnswer(f"its answer is no HTTP ({type(error).__name__})") from error

    async def _wait(self, sent: Sent, on_sent: OnSent | None, on_news: OnNews | None) -> Answer:
        connection = sent.connection
        try:
            connection.on_news = on_news
            if on_sent is not None:
                on_sent(sent.time_s)
            return await connection.answer()
        except BaseException:
            self.drop(sent)
            raise

    def drop(self, sent: Sent) -> None:
        """End a request that nobody waits for any more. Twice is once."""
        connection = sent.connection
        connection.on_news = None
        if connection.upload is not None:
            connection.upload.cancel()
        connection.close()

    async def _connect(self, key: Key) -> Connection:
        try:
            async with asyncio.timeout(_CONNECT_S):
                _, connection = await self._loop.create_connection(
                    lambda: Connection(self._loop, key, self._give_back), *key
                )
        except TimeoutError:
            raise NoAnswer(f"no connection within {_CONNECT_S:g} s") from None
        except OSError as error:
            raise NoAnswer("the connection was refused") from error
        return connection

    def _take(self, key: Key) -> Connection | None:
        idle = self._idle[key]
        oldest_s = self._loop.time() - _KEEPALIVE_S
        while idle:
            since_s, connection = idle.pop()
            if since_s >= oldest_s and connection.is_connected() and not connection.should_close:
                return connection
            connection.close()
        return None

    def _give_back(self, connection: Connection) -> None:
        """Keep a connection whose answer was read to its end."""
        idle = self._idle[connection.key]
        if not idle:
            self._loop.call_later(_KEEPALIVE_S, self._expire, connection.key)
        if len(idle) >= _MOST_IDLE:
            idle.pop(0)[1].close()
        idle.append((self._loop.time(), connection))

    def _expire(self, key: Key) -> None:
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
