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
from services.tap.beside import Beside, Besides
from services.tap.dialects import generation
from services.tap.finder import Finder
from services.tap.headers import RawHeaders, first, host_refused, request_head
from services.tap.meter import Meter
from services.tap.record import Outcome
from services.tap.reply import Reply
from services.tap.routes import RouteTable, Way
from services.tap.upstreams import Answer, Body, NoAnswer, OnSent, Upstreams

# Bodies that are looked into at a time, in all: what comes beyond is passed on unread.
_PEEK_BUDGET = 64 << 20
# 16 KiB of tokens take 3 ms to read (measured); no model makes so many at once.
_TURN_BYTES = 16 << 10


class Proxy:
    """Handles every request of the tap's port."""

    def __init__(
        self,
        upstreams: Upstreams,
        table: RouteTable,
        finder: Finder,
        new_meter: Callable[[], Meter | None],
        besides: Besides,
    ) -> None:
        self.refused_total = 0
        self.failed_total = 0
        self._upstreams = upstreams
        self._table = table
        self._finder = finder
        self._new_meter = new_meter
        self._besides = besides
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
        on_sent, beside = None, None
        if meter is not None and wanted is not None:
            meter.came_from(request.raw_headers)
            meter.asked(body)
            beside = self._besides.begin(wanted, way, model, body)
            # The ending, not the path: what stands before it is nobody's to keep.
            route = f"/v1{wanted.ending}" if path.endswith(f"/v1{wanted.ending}") else wanted.ending
            on_sent = partial(meter.sent, wanted, route, self._table.name_of(way.upstream, model), way.upstream.runtime)
        outcome = Outcome.NO_ANSWER
        answer: Answer | None = None
        try:
            answer = await self._ask(request, way, query, body, on_sent, beside)
            outcome = Outcome.TRUNCATED
            reply = Reply(answer, beside.change if beside is not None else None)
            if await self._relay(request, reply, answer, meter, beside):
                outcome = Outcome.COMPLETE
            return reply
        except NoAnswer as error:
            self.failed_total += 1
            self._finder.soon()
            self._besides.gone(way.upstream.url)
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

    async def _ask(
        self,
        request: web.BaseRequest,
        way: Way,
        query: str,
        body: Body,
        on_sent: OnSent | None,
        beside: Beside | None,
    ) -> Answer:
        """Return the answer; where the runtime refuses what was asked for beside, that to the client's own request."""
        if beside is None:
            return await self._send(request, way, query, body, on_sent)
        if beside.body:
            answer = await self._send(request, way, query, beside.body, on_sent, plain=True)
            if beside.is_refused(answer):
                answer.close()
                answer = await self._send(request, way, query, body, on_sent)
                beside.sent_unchanged(answer)
        else:
            answer = await self._send(request, way, query, body, on_sent)
        beside.answered(answer)
        return answer

    async def _send(
        self,
        request: web.BaseRequest,
        way: Way,
        query: str,
        body: Body,
        on_sent: OnSent | None,
        *,
        plain: bool = False,
    ) -> Answer:
        """`plain`: what is to be taken out of an answer must not come compressed."""
        target = f"{way.path}?{query}" if query else way.path
        length = request.content_length if not isinstance(body, bytes) else len(body)
        if body is None:
            length = 0
        headers: RawHeaders = request.raw_headers
        if plain:
            headers = [header for header in headers if header[0].lower() != b"accept-encoding"]
        head = request_head(request.method, target, headers, way.upstream.authority, length)
        return await self._upstreams.send(way.upstream, request.method.encode(), head, body, on_sent)

    async def _relay(
        self,
        request: web.BaseRequest,
        reply: Reply,
        answer: Answer,
        meter: Meter | None,
        beside: Beside | None,
    ) -> bool:
        """Pass the answer on as it comes; return whether it came to its end."""
        writer = await reply.prepare(request)
        assert writer is not None  # noqa: S101 - it was prepared just now
        change = beside.change if beside is not None else None

        def look(data: bytes) -> None:
            if meter is not None:
                meter.data(data)
            if beside is not None:
                beside.seen(data)

        if meter is not None:
            headers = answer.headers
            meter.answered(answer.status, first(headers, b"content-type"), first(headers, b"content-encoding"))
        if reply.begun:
            look(reply.begun)
        content = answer.content
        whole = True
        try:
            while not content.at_eof():
                # A runtime that fills the pipe is read in turns, so that reading it stops nobody else's answer.
                data = await (content.readany() if meter is None else content.read(_TURN_BYTES))
                if not data:
                    continue
                if said := data if change is None else change(data):
                    await writer.write(said)
                look(data)
                if len(data) == _TURN_BYTES:
                    await asyncio.sleep(0)  # there is more: the others first
        except (aiohttp.ClientPayloadError, aiohttp.ClientConnectionError) as error:
            if isinstance(error, aiohttp.ClientConnectionResetError):
                raise  # it was the client's connection
            whole = False
            if data := answer.came():
                if said := data if change is None else change(data):
                    await writer.write(said)
                look(data)
        if beside is not None:
            if rest := beside.rest():
                await writer.write(rest)
            beside.end()
        if whole:
            await reply.write_eof()
            return True
        # The same cut for the client: what came is sent, then the connection ends without the answer's end.
        reply.force_close()
        if request.transport is not None:
            request.transport.close()
        return False


async def _rest(parts: list[bytes], content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    while parts:
        yield parts.pop(0)
    async for part in content.iter_any():
        yield part
