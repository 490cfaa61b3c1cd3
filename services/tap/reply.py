"""An answer on its way to the client: the runtime's status and headers as they are, nothing added but the framing."""

from __future__ import annotations

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11

from services.tap.headers import answer_headers, first
from services.tap.upstreams import Answer

_BODYLESS = frozenset({204, 304})


class Reply(web.StreamResponse):
    """Writes its head from bytes; aiohttp's own would add Server, Date and Content-Type."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(status=answer.status, reason=answer.reason)
        self.begun = b""
        """The first bytes of the body, where they came with the head; the client has them."""
        self._answer = answer

    async def _start(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send the head (called once by `prepare`)."""
        answer = self._answer
        self._req = request
        writer = self._payload_writer = request._payload_writer
        modern = request.version >= HttpVersion11
        keeps = request.keep_alive if self.keep_alive is None else self.keep_alive
        lines = [f"HTTP/1.{1 if modern else 0} {answer.status} {answer.reason}\r\n".encode("utf-8", "surrogateescape")]
        lines += answer_headers(answer.headers, chunked=answer.chunked)
        empty = request.method == "HEAD" or answer.status in _BODYLESS
        chunks = False
        if not empty and (answer.chunked or not first(answer.headers, b"content-length")):
            if modern:
                chunks = True
                writer.enable_chunking()
                lines.append(b"Transfer-Encoding: chunked\r\n")
            else:
                keeps = False  # its end is the connection's
        if not keeps:
            lines.append(b"Connection: close\r\n")
        elif not modern:
            lines.append(b"Connection: keep-alive\r\n")
        self._keep_alive = bool(keeps)
        lines.append(b"\r\n")
        self.begun = b"" if empty else answer.came()
        if self.begun:
            # What came together goes together: a system call and a waking of the client less before the first token.
            lines.append(b"%x\r\n%b\r\n" % (len(self.begun), self.begun) if chunks else self.begun)
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(b"".join(lines))
        return writer
