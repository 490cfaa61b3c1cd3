"""One request through the tap: bytes to the client first, the measuring aside.

The runtime's answer reaches the client byte for byte, as it comes; a slow client slows the runtime down, and
who of the two leaves early is seen by the other.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial

from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.streams import EMPTY_PAYLOAD, StreamReader

from bus.clock import monotonic_s
from services.tap import answers
from services.tap.asked import LONGEST_PEEK, model_of
from services.tap.beside import Besides
from services.tap.connection import Answer
from services.tap.dialects import generation
from services.tap.finder import Finder
from services.tap.going import Going
from services.tap.headers import first, host_refused
from services.tap.line import Line
from services.tap.meter import Meter
from services.tap.record import Outcome
from services.tap.relay import Relay
from services.tap.reply import Reply
from services.tap.rounds import Rounds
from services.tap.routes import RouteTable, Way
from services.tap.upstreams import NoAnswer, OnSent, Upstreams

# Bodies that are held at a time, in all: each until its answer has come, should it have to be sent again. What comes
# beyond is passed on unread.
_HELD_BUDGET = 128 << 20
# One that stops for so long in its middle would hold what it has of them.
_BODY_GOES_ON_S = 30.0


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
        self._held = 0
        self._rounds = Rounds()

    def ahead(self, message: RawRequestMessage, payload: StreamReader) -> Going | None:
        """Send a prompt that came whole over a connection that is open; None: there is more to it than that."""
        path = message.path.partition("?")[0]
        wanted = generation(message.method, path)
        whole = payload is not EMPTY_PAYLOAD and payload.is_eof() and payload.exception() is None
        if wanted is None or not whole or "Expect" in message.headers or _refused(message) is not None:
            return None
        body = payload.read_nowait()
        model = model_of(body)
        going = Going(message, path, wanted, body, len(body), model, self._table.choose(path, model))
        self._send(going)
        return going

    def drop(self, going: Going) -> None:
        """End what was sent ahead for a client that has gone; as one that goes later, it leaves a record."""
        self._left(going)
        if going.sent is not None:
            self._measure(going)(going.sent.time_s)
            self._upstreams.drop(going.sent)
        if going.meter is not None:
            going.meter.end(Outcome.CLIENT_ABORT)

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        line = request.protocol
        going = line.take(request) if isinstance(line, Line) else None
        if going is None:
            if refusal := _refused(request._message):
                self.refused_total += 1
                return refusal
            if request.headers.get("Expect", "").lower() == "100-continue":
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
                request.writer.output_size = 0
            try:
                going = await self._read(request)
            except TimeoutError:
                self.refused_total += 1
                return answers.no_body(_BODY_GOES_ON_S)
        try:
            return await self._answer(request, going)
        finally:
            self._held -= going.held

    async def _answer(self, request: web.BaseRequest, going: Going) -> web.StreamResponse:
        if going.way is None:
            going.way = await self._way(going.path, going.model)
            if going.way is None:
                self.failed_total += 1
                return answers.no_runtime(self._finder.tried())
            self._send(going)
        if going.turn is None:
            self.refused_total += 1
            return answers.goes_round(going.way.upstream.url)
        return await self._forward(request, going, going.way)

    async def _forward(self, request: web.BaseRequest, going: Going, way: Way) -> web.StreamResponse:
        outcome = Outcome.NO_ANSWER
        answer: Answer | None = None
        try:
            relay = Relay(request, reads=going.meter is not None or going.beside is not None)
            if going.sent is not None and going.beside is None:
                relay.hear(going.sent.connection)  # a quick runtime has answered already: first things first
            on_sent = self._measure(going)
            answer = await self._ask(going, way, on_sent, relay)
            self._left(going)
            outcome = Outcome.TRUNCATED
            reply = relay.begin(answer, going.beside.change if going.beside is not None else None)
            if await self._relay(request, going, relay, reply, answer):
                outcome = Outcome.COMPLETE
            return reply
        except NoAnswer as error:
            if (broken := request.content.exception()) is not None:  # the client's own doing
                outcome = Outcome.CLIENT_ABORT
                return answers.no_request(broken)
            self.failed_total += 1
            self._finder.soon()
            self._besides.gone(way.upstream.url)
            if going.meter is not None and not going.meter.id:
                on_sent(monotonic_s())  # it never went out; that is worth a record
            return answers.no_runtime([way.upstream.url], str(error))
        except (asyncio.CancelledError, ConnectionError):
            outcome = Outcome.CLIENT_ABORT
            raise
        finally:
            self._left(going)
            if answer is not None:
                answer.close()
            elif going.sent is not None:
                self._upstreams.drop(going.sent)
            if going.meter is not None:
                going.meter.end(outcome)

    async def _read(self, request: web.BaseRequest) -> Going:
        """Return a request with its body, and the model that it names; a large one is passed on unread, as it comes."""
        message = request._message
        path = message.path.partition("?")[0]
        wanted = generation(request.method, path)
        length = request.content_length
        if not request.body_exists:
            return Going(message, path, wanted, None, 0, "")
        peeks = wanted is not None or request.content_type == "application/json"
        if not peeks or (length or 0) > LONGEST_PEEK or self._held + (length or 0) > _HELD_BUDGET:
            return Going(message, path, wanted, request.content.iter_any(), length, "")
        parts: list[bytes] = []
        held = 0  # until it is the request's
        try:
            while part := await _next_part(request.content):
                parts.append(part)
                held += len(part)
                self._held += len(part)
                if held > LONGEST_PEEK or self._held > _HELD_BUDGET:
                    return Going(message, path, wanted, _rest(parts, request.content), length, "")
            body = b"".join(parts)
            going = Going(message, path, wanted, body, len(body), model_of(body), held=held)
            held = 0
            return going
        finally:
            self._held -= held

    async def _way(self, path: str, model: str) -> Way | None:
        way = self._table.choose(path, model)
        if way is None:
            await self._finder.look(all_anew=True)
            way = self._table.choose(path, model)
        return way

    def _send(self, going: Going) -> None:
        """Send a request that has a way, where a connection is open. What measures it waits until it is on its way."""
        way = going.way
        if way is None:
            return
        if going.wanted is not None:
            going.turn = self._rounds.enter(way.upstream, going.body)
            if going.turn is None:
                return
            going.meter = self._new_meter()
            if going.meter is not None:
                going.beside = self._besides.begin(going.wanted, way, going.model, going.body)
        asked = going.beside.body if going.beside is not None else b""
        going.prompt = going.prompt_for(way, asked_beside=asked)
        going.sent = self._upstreams.send(going.prompt)

    def _left(self, going: Going) -> None:
        self._rounds.leave(going.turn or 0)
        going.turn = 0

    def _measure(self, going: Going) -> OnSent:
        """Let the meter know what is asked; return what tells it when that went."""
        meter, wanted, way = going.meter, going.wanted, going.way
        if meter is None or wanted is None or way is None:
            return lambda _time_s: None
        meter.came_from(going.message.raw_headers)
        meter.asked(going.body)
        model = self._table.name_of(way.upstream, going.model)
        return partial(meter.sent, wanted, going.route, model, way.upstream.runtime)

    async def _ask(self, going: Going, way: Way, on_sent: OnSent, relay: Relay) -> Answer:
        """Return the answer; where the runtime refuses what was asked for beside, that to the client's own request."""
        beside, ask = going.beside, self._upstreams.answer
        prompt = going.prompt or going.prompt_for(way)
        if beside is None:
            return await ask(prompt, going.sent, on_sent, relay.came)
        # Not passed on before it is known whether it is for the client.
        answer = await ask(prompt, going.sent, on_sent)
        if beside.is_refused(answer):
            answer.close()
            answer = await ask(going.prompt_for(way), None, on_sent)
            beside.sent_unchanged(answer)
        beside.answered(answer)
        return answer

    async def _relay(self, request: web.BaseRequest, going: Going, relay: Relay, reply: Reply, answer: Answer) -> bool:
        """Pass the answer on as it comes; return whether it came to its end."""
        meter, beside = going.meter, going.beside

        def look(data: bytes, time_s: float) -> None:
            if meter is not None:
                meter.data(data, time_s)
            if beside is not None:
                beside.seen(data)

        if meter is not None:
            headers = answer.headers
            meter.answered(answer.status, first(headers, b"content-type"), first(headers, b"content-encoding"))
        whole = await relay.run(look)
        if beside is not None:
            if rest := beside.rest():
                reply.write_on(rest, last=False)
            beside.end()
        if whole:
            await reply.write_eof()
            return True
        # The same cut for the client: what came is sent, then the connection ends without the answer's end.
        reply.force_close()
        if request.transport is not None:
            request.transport.close()
        return False


def _refused(message: RawRequestMessage) -> web.Response | None:
    """Return the answer to what does not pass the tap; None where it does."""
    headers = message.headers
    if why := host_refused(headers.getall("Host", [])):
        return answers.foreign_host(why)
    if message.method == "CONNECT" or not message.path.startswith("/"):
        return answers.refusal(400, "no_path", "The tap is no forward proxy: send a path, as /v1/chat/completions.")
    # Other upgrades are offers (Java's client offers h2c with every request): HTTP goes on where nobody takes them.
    if "upgrade" in headers.get("Connection", "").lower() and "websocket" in headers.get("Upgrade", "").lower():
        return answers.refusal(
            501, "no_upgrade", "WebSockets do not pass the tap; connect to the runtime itself, at its own port."
        )
    return None


async def _next_part(content: StreamReader) -> bytes:
    async with asyncio.timeout(_BODY_GOES_ON_S):
        return await content.readany()


async def _rest(parts: list[bytes], content: StreamReader) -> AsyncIterator[bytes]:
    while parts:
        yield parts.pop(0)
    async for part in content.iter_any():
        yield part
