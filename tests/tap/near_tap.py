"""The tap in the test's own process, at a port of its own, before a runtime that says exactly what it is told to."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

from wfmonitor.v1.request_pb2 import RequestRecord

from services.tap.asking import Wants
from services.tap.beside import Besides
from services.tap.bursts import Bursts
from services.tap.finder import Finder
from services.tap.listening import Door
from services.tap.meter import Figures, Meter
from services.tap.proxy import Proxy
from services.tap.routes import RouteTable, parse_routes
from services.tap.upstreams import Upstreams

BODY = b'{"model":"m","stream":true}'
PROMPT = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (len(BODY), BODY)

Says = Callable[[asyncio.StreamReader, asyncio.StreamWriter, bytes], Awaitable[None]]
"""Answers one request, given its head, on a connection; raises ConnectionError to end it."""


def says(*parts: bytes) -> Says:
    """A runtime that reads a request and answers with these bytes."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        await body(reader, head)
        for part in parts:
            writer.write(part)
            await writer.drain()

    return answer


async def body(reader: asyncio.StreamReader, head: bytes) -> bytes:
    """The body of a request whose head is `head`."""
    if b"\r\nTransfer-Encoding: chunked\r\n" in head:
        whole = b""
        while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
            whole += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
        return whole
    length = head.partition(b"Content-Length: ")[2].partition(b"\r\n")[0]
    return await reader.readexactly(int(length or 0))


@dataclass
class NearTap:
    """The port of the tap, what the runtime was asked, and the records that were made."""

    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    records: list[RequestRecord] = field(default_factory=list)
    failures: list[Exception] = field(default_factory=list)
    figures: Figures = field(default_factory=Figures)
    door: Door = field(init=False)

    async def ask(self, *parts: bytes, within_s: float = 20.0) -> bytes:
        """What comes for these bytes until the tap ends the connection."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        async with asyncio.timeout(within_s):
            for part in parts:
                with contextlib.suppress(ConnectionError):
                    writer.write(part)
                    await writer.drain()
            try:
                return await reader.read()
            except ConnectionResetError:
                return b""
            finally:
                writer.close()


class _Looks:
    """Finds nothing beside what is set."""

    def tried(self) -> list[str]:
        return []

    def soon(self) -> None:
        pass

    async def look(self) -> None:
        pass


@asynccontextmanager
async def near_tap(answer: Says) -> AsyncIterator[NearTap]:
    near = NearTap()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while head := await reader.readuntil(b"\r\n\r\n"):
                near.heads.append(head)
                await answer(reader, writer, head)
        writer.close()

    runtime = await asyncio.start_server(serve, "127.0.0.1", 0)
    table, upstreams, bursts = RouteTable(), Upstreams(), Bursts(lambda *_args, **_named: None)
    table.given = parse_routes(f'{{"": "http://127.0.0.1:{runtime.sockets[0].getsockname()[1]}"}}')

    def meter() -> Meter:
        return Meter(near.figures, bursts, near.records.append, near.failures.append)

    door = Door(Proxy(upstreams, table, cast(Finder, _Looks()), meter, Besides(Wants)))
    await door.serve(0)
    near.door = door
    assert door._listening is not None
    near.port = door._listening.sockets[0].getsockname()[1]
    try:
        yield near
    finally:
        await door.close()
        upstreams.close()
        runtime.close()
