"""A request of a client, on its way to a runtime: what is known of it, step by step."""

from __future__ import annotations

from dataclasses import dataclass

from aiohttp.http import RawRequestMessage

from services.tap.beside import Beside
from services.tap.connection import Body, Prompt
from services.tap.dialects import Generation
from services.tap.headers import request_head
from services.tap.meter import Meter
from services.tap.routes import Way
from services.tap.upstreams import Sent


@dataclass(slots=True)
class Going:
    """Made when the body is there, or is to be passed on as it comes."""

    message: RawRequestMessage
    path: str
    wanted: Generation | None
    """What it generates; None: nothing, and nothing of it is measured."""
    body: Body
    length: int | None
    """Of the body, in bytes; None: nobody has said."""
    model: str
    way: Way | None = None
    meter: Meter | None = None
    beside: Beside | None = None
    prompt: Prompt | None = None
    """What the runtime gets."""
    sent: Sent | None = None
    """None: no connection was open; it goes once one is."""
    held: int = 0
    """Bytes of the body that count as held until the answer has come."""
    turn: int | None = 0
    """Of Rounds; None: it goes round."""

    @property
    def route(self) -> str:
        """The path's ending: what stands before it is nobody's to keep."""
        ending = self.wanted.ending if self.wanted is not None else ""
        return f"/v1{ending}" if self.path.endswith(f"/v1{ending}") else ending

    def prompt_for(self, way: Way, *, asked_beside: bytes = b"") -> Prompt:
        """Return what the runtime gets; `asked_beside` in place of the client's own body."""
        message = self.message
        query = message.path.partition("?")[2]
        headers = message.raw_headers
        body, length = (asked_beside, len(asked_beside)) if asked_beside else (self.body, self.length)
        if asked_beside:  # what is to be taken out of an answer must not come compressed
            headers = tuple(header for header in headers if header[0].lower() != b"accept-encoding")
        target = f"{way.path}?{query}" if query else way.path
        head = request_head(message.method, target, headers, way.upstream.authority, length)
        return Prompt(way.upstream, message.method.encode(), head, body)
