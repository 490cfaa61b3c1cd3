"""An answer as the client gets it: the runtime's status and headers as they are, nothing added but the framing."""

from __future__ import annotations

from aiohttp import web
from aiohttp.http import HttpVersion11

from services.tap.connection import Answer
from services.tap.headers import answer_headers, first

_BODYLESS = frozenset({204, 304})


class Reply(web.StreamResponse):
    """`begin` it, `write_on` its body, `end` it: each writes at once. aiohttp's own would wait, and add headers."""

    def __init__(self, request: web.BaseRequest, answer: Answer, *, changed: bool) -> None:
        """`changed`: what the client gets is not what the runtime sends, nor as long."""
        super().__init__(status=answer.status, reason=answer.reason)
        self._to = request
        self._answer = answer
        self._changed = changed
        self._chunks = False
        self._ended = False

    def begin(self, body: bytes, *, last: bool) -> None:
        """Write the head, and what came of the body with it. Raises ConnectionResetError: the client has gone."""
        request, answer = self._to, self._answer
        self._req = request
        self._payload_writer = request._payload_writer
        modern = request.version >= HttpVersion11
        keeps = request.keep_alive if self.keep_alive is None else self.keep_alive
        lines = [f"HTTP/1.{1 if modern else 0} {answer.status} {answer.reason}\r\n".encode("utf-8", "surrogateescape")]
        # A body that is changed has another length.
        chunked = answer.chunked or self._changed
        lines += answer_headers(answer.headers, chunked=chunked)
        empty = request.method == "HEAD" or answer.status in _BODYLESS
        if not empty and (chunked or not first(answer.headers, b"content-length")):
            if modern:
                self._chunks = True
                lines.append(b"Transfer-Encoding: chunked\r\n")
            else:
                keeps = False  # its end is the connection's
        if not keeps:
            lines.append(b"Connection: close\r\n")
        elif not modern:
            lines.append(b"Connection: keep-alive\r\n")
        self._keep_alive = bool(keeps)
        lines.append(b"\r\n")
        if not empty:
            # What came together goes together: a system call and a waking of the client less before the first token.
            lines.append(self._framed(body, last=last))
        self._ended = last
        self._write(b"".join(lines))

    def write_on(self, body: bytes, *, last: bool) -> None:
        """Write more of the body. Raises ConnectionResetError."""
        self._ended = last
        self._write(self._framed(body, last=last))

    def end(self) -> None:
        """Write the end, where it was not written with the last of the body. Raises ConnectionResetError."""
        if not self._ended:
            self._ended = True
            self._write(self._framed(b"", last=True))

    async def write_eof(self, data: bytes = b"") -> None:
        """End, and wait until the client has taken all but little."""
        if self._eof_sent:
            return
        self.end()
        await self._to._payload_writer.drain()
        self._eof_sent = True
        self._req = None
        self._payload_writer = None

    def _framed(self, body: bytes, *, last: bool) -> bytes:
        if not self._chunks:
            return body
        end = b"0\r\n\r\n" if last else b""
        return b"%x\r\n%b\r\n%b" % (len(body), body, end) if body else end

    def _write(self, data: bytes) -> None:
        transport = self._to.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError("the client has gone")
        if data:
            self._to.writer.output_size += len(data)  # where it is 0, aiohttp may still answer in our place
            transport.write(data)
