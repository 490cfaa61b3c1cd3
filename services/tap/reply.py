"""An answer on its way to the client: the runtime's status and headers as they are, nothing added but the framing."""

from __future__ import annotations

from collections.abc import Callable

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import HttpVersion11

from services.tap.headers import answer_headers, first
from services.tap.upstreams import Answer

_BODYLESS = frozenset({204, 304})


class Reply(web.StreamResponse):
    """Writes its head from bytes; aiohttp's own would add Server, Date and Content-Type."""

    def __init__(self, answer: Answer, change: Callable[[bytes], bytes] | None = None) -> None:
        """`change` makes of the runtime's bytes those for the client; None: they are the same."""
        super().__init__(status=answer.status, reason=answer.reason)
        self.begun = b""
        """The runtime's first bytes of the body, where they came with the head; the client has them."""
        self._answer = answer
        self._change = change

    async def _start(self, request: web.BaseRequest) -> AbstractStreamWriter:
        """Send the head (called once by `prepare`)."""
        answer = self._answer
        self._req = request
        writer = self._payload_writer = request._payload_writer
        modern = request.version >= HttpVersion11
        keeps = request.keep_alive if self.keep_alive is None else self.keep_alive
        lines = [f"HTTP/1.{1 if modern else 0} {answer.status} {answer.reason}\r\n".encode("utf-8", "surrogateescape")]
        # A body that is changed has another length.
        chunked = answer.chunked or self._change is not None
        lines += answer_headers(answer.headers, chunked=chunked)
        empty = request.method == "HEAD" or answer.status in _BODYLESS
        chunks = False
        if not empty and (chunked or not first(answer.headers, b"content-length")):
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
        begun = self._change(self.begun) if self.begun and self._change is not None else self.begun
        if begun:
            # What came together goes together: a system call and a waking of the client less before the first token.
            lines.append(b"%x\r\n%b\r\n" % (len(begun), begun) if chunks else begun)
        transport = request.transport
        if transport is None or transport.is_closing():
            raise ConnectionResetError
        transport.write(b"".join(lines))
        return writer
