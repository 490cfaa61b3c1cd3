"""One request through the tap: bytes to the client first, the measuring aside.

The runtime's answer reaches the client byte for byte, as it comes; a slow client slows the runtime down, and
who of the two leaves early is seen by the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import aiohttp
from aiohttp import web
from multidict import CIMultiDict

from services.tap import answers
from services.tap.asked import LONGEST_PEEK, model_of
from services.tap.dialects import generation
from services.tap.finder import Finder
from services.tap.headers import host_refused, to_client, to_runtime
from services.tap.meter import Meter
from services.tap.record import Outcome
from services.tap.routes import RouteTable, Way
from services.tap.upstreams import Body, Upstreams

# Bodies that are looked into at a time, in all: what comes beyond is passed on unread.
_PEEK_BUDGET = 64 << 20


class _Answer(web.StreamResponse):
    """An answer whose headers are the runtime's alone."""

    async def _prepare_headers(self) -> None:
        given = frozenset(name.lower() for name in self.headers)
        await super()._prepare_headers()
        for added in ("server", "date", "content-type"):
            if added not in given:
                self.headers.popall(added, None)


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
        body, model = await self._body(request)
        way = await self._way(path, model)
        if way is None:
            self.failed_total += 1
            return answers.no_runtime(self._finder.tried())
        meter = self._new_meter() if wanted else None
        if meter is not None and wanted is not None:
            # The ending, not the path: what stands before it is nobody's to keep.
            route = f"/v1{wanted.ending}" if path.endswith(f"/v1{wanted.ending}") else wanted.ending
            meter.sent(wanted, route, model, way.upstream.runtime)
        outcome = Outcome.NO_ANSWER
        try:
            answer = await self._ask(request, way, query, body)
            if isinstance(answer, web.Response):
                return answer
            async with answer:
                outcome = Outcome.TRUNCATED
                response, whole = await self._relay(request, answer, meter)
                outcome = Outcome.COMPLETE if whole else Outcome.TRUNCATED
                return response
        except (asyncio.CancelledError, ConnectionError):
            outcome = Outcome.CLIENT_ABORT
            raise
        finally:
            if meter is not None:
                meter.end(outcome)

    async def _body(self, request: web.BaseRequest) -> tuple[Body, str]:
        """Return the body, and the model that it names; a large one is passed on unread, as it comes."""
        if not request.body_exists:
            return None, ""
        length = request.content_length
        peeks = request.content_type == "application/json" or generation(request.method, request.path) is not None
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
        self, request: web.BaseRequest, way: Way, query: str, body: Body
    ) -> aiohttp.ClientResponse | web.Response:
        headers = to_runtime(request.headers.items(), way.upstream.authority)
        try:
            return await self._upstreams.send(request.method, way, query, headers, body)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            self.failed_total += 1
            self._finder.soon()
            if isinstance(error, aiohttp.ClientConnectorError):
                return answers.no_runtime([way.upstream.url], "the connection was refused")
            if isinstance(error, aiohttp.ServerDisconnectedError | ConnectionError):
                return answers.no_runtime([way.upstream.url], "it closed the connection before it answered")
            return answers.no_runtime([way.upstream.url], f"its answer is no HTTP: {type(error).__name__}")

    async def _relay(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, meter: Meter | None
    ) -> tuple[web.StreamResponse, bool]:
        """Pass the answer on as it comes; return it, and whether it came to its end."""
        response = _Answer(
            status=answer.status, reason=answer.reason, headers=CIMultiDict(to_client(answer.headers.items()))
        )
        writer = await response.prepare(request)
        assert writer is not None  # noqa: S101 - it was prepared just now
        if meter is not None:
            meter.answered(
                answer.status, answer.headers.get("Content-Type", ""), answer.headers.get("Content-Encoding", "")
            )
        content = answer.content
        try:
            while not content.at_eof():
                data = await content.readany()
                if not data:
                    continue
                await writer.write(data)
                if meter is not None:
                    meter.data(data)
        except aiohttp.ClientError:
            # The same cut for the client: what came is sent, then the connection ends without the answer's end.
            response.force_close()
            if request.transport is not None:
                request.transport.close()
            return response, False
        await response.write_eof()
        return response, True


async def _rest(parts: list[bytes], content: aiohttp.StreamReader) -> AsyncIterator[bytes]:
    while parts:
        yield parts.pop(0)
    async for part in content.iter_any():
        yield part
