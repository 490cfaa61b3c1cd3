"""One request through the tap: bytes to the client first, the measuring aside.

The runtime's answer reaches the client byte for byte, as it comes; a slow client slows the runtime down, and
who of the two leaves early is seen by the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

import aiohttp
from aiohttp import web

from bus.clock import monotonic_s
from services.tap import answers
from services.tap.asked import LONGEST_PEEK, model_of
from services.tap.dialects import generation
from services.tap.finder import Finder
from services.tap.headers import first, host_refused, request_head
from services.tap.meter import Meter
from services.tap.record import Outcome
from services.tap.reply import Reply
from services.tap.routes import RouteTable, Way
from services.tap.upstreams import Answer, Body, NoAnswer, OnSent, Upstreams

# Bodies that are looked into at a time, in all: what comes beyond is passed on unread.
_PEEK_BUDGET = 64 << 20


class Proxy:
    """Handles every request of the tap's port."""

    def __init__(
        self, upstreams: Upstreams, table: RouteTable, finder: Finder, new_meter: Callable[[], Meter | None]
    ) -> None:
        self.refused_total = 0
        self.failed_total = 0
        self._upstreams = upstreams
        self._table = table
        self._finder = finder
        self._new_meter = new_meter
        self._peeking = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        if why := host_refused(request.headers.getall("Host", [])):
            self.refused_total += 1
            return answers.foreign_host(why)
        if request.method == "CONNECT" or not request.raw_path.startswith("/"):
            self.refused_total += 1
            return answers.refusal(400, "no_path", "The tap is no forward proxy: send a path, as /v1/chat/completions.")
        if "upgrade" in request.headers.get("Connection", "").lower() and "Upgrade" in request.headers:
            self.refused_total += 1
            return answers.refusal(
                501, "no_upgrade", "WebSocket and other upgrades do not pass the tap; connect to the runtime itself."
            )
        if request.headers.get("Expect", "").lower() == "100-continue":
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            request.writer.output_size = 0
        return await self._forward(request)

    async def _forward(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query = request.raw_path.partition("?")
        wanted = generation(request.method, path)
        body, model = await self._body(request, generates=wanted is not None)
        way = await self._way(path, model)
        if way is None:
            self.failed_total += 1
            return answers.no_runtime(self._finder.tried())
        meter = self._new_meter() if wanted else None
        on_sent = None
        if meter is not None and wanted is not None:
            # The ending, not the path: what stands before it is nobody's to keep.
            route = f"/v1{wanted.ending}" if path.endswith(f"/v1{wanted.ending}") else wanted.ending
            on_sent = partial(meter.sent, wanted, route, model, way.upstream.runtime)
        outcome = Outcome.NO_ANSWER
        answer: Answer | None = None
        try:
            answer = await self._ask(request, way, query, body, on_sent)
            outcome = Outcome.TRUNCATED
            reply = Reply(answer)
            if await self._relay(request, reply, answer, meter):
                outcome = Outcome.COMPLETE
            return reply
        except NoAnswer as error:
            self.failed_total += 1
            self._finder.soon()
            if meter is not None and on_sent is not None and not meter.id:
                on_sent(monotonic_s())  # it never went out; that is worth a record
            return answers.no_runtime([way.upstream.url], str(error))
        except (asyncio.CancelledError, ConnectionError):
            outcome = Outcome.CLIENT_ABORT
            raise
        finally:
            if answer is not None:
                answer.close()
            if meter is not None:
                meter.end(outcome)

    async def _body(self, request: web.BaseRequest, *, generates: bool) -> tuple[Body, str]:
        """Return the body, and the model that it names; a large one is passed on unread, as it comes."""
        if not request.body_exists:
            return None, ""
        length = request.content_length
        peeks = generates or request.content_type == "application/json"
        if not peeks or (length or 0) > LONGEST_PEEK or self._peeking + (length or 0) > _PEEK_BUDGET:
            return request.content.iter_any(), ""
        parts: list[bytes] = []
        held = 0
        try:
            while part := await request.content.readany():
                parts.append(part)
                held += len(part)
                self._peeking += len(part)
                if held > LONGEST_PEEK or self._peeking > _PEEK_BUDGET:
                    return _rest(parts, request.content), ""
        finally:
            self._peeking -= held
        body = b"".join(parts)
        return body, model_of(body)

    async def _way(self, path: str, model: str) -> Way | None:
        way = self._table.choose(path, model)
        if way is None:
            await self._finder.look()
            way = self._table.choose(path, model)
        return way

    async def _ask(self, request: web.BaseRequest, way: Way, query: str, body: Body, on_sent: OnSent | None) -> Answer:
        target = f"{way.path}?{query}" if query else way.path
        length = request.content_length if not isinstance(body, bytes) else len(body)
        if body is None:
            length = 0
        head = request_head(request.method, target, request.raw_headers, way.upstream.authority, length)
        return await self._upstreams.send(way.upstream, request.method.encode(), head, body, on_sent)

    async def _relay(self, request: web.BaseRequest, reply: Reply, answer: Answer, meter: Meter | None) -> bool:
        """Pass the answer on as it comes; return whether it came to its end."""
        writer = await reply.prepare(request)
        assert writer is not None  # noqa: S101 - it was prepared just now
        if meter is not None:
            headers = answer.headers
            meter.answered(answer.status, first(headers, b"content-type"), first(headers, b"content-encoding"))
            if reply.begun:
                meter.data(reply.begun)
        content = answer.content
        try:
            while not content.at_eof():
                data = await content.readany()
                if not data:
                    continue
                await writer.write(data)
                if meter is not None:
                    meter.data(data)
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError) as error:
            if isinstance(error, aiohttp.ClientConnectionResetError):
                raise  # it was the client's connection
            # The same cut for the client: what came is sent, then the connection ends without the answer's end.
            if data := answer.came():
                await writer.write(data)
                if meter is not None:
                    meter.data(data)
            reply.force_close()
            if request.transport is not None:
                request.transport.close()
            return False
        await reply.write_eof()
        return True


async def _rest(parts: list[bytes], content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    while parts:
        yield parts.pop(0)
    async for part in content.iter_any():
        yield part
