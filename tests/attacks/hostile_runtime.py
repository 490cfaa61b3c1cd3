"""A runtime that means harm: raw sockets, one thread a connection; what it does is told by the header X-Attack."""

from __future__ import annotations

import json
import socketserver
import threading
from collections.abc import Callable

CHUNKED = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
TOKEN = b'data: {"choices":[{"index":0,"delta":{"content":"a"},"finish_reason":null}]}\n\n'
END = b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
MARK = b"FROM-ANOTHER-ANSWER"
SIZE = 64 << 20
_PIECE = b"x" * 65536

Send = Callable[[bytes], None]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


def good(send: Send) -> None:
    send(CHUNKED + chunk(TOKEN) + chunk(TOKEN) + chunk(END) + b"0\r\n\r\n")


def line(send: Send) -> None:
    send(CHUNKED + chunk(b"data: "))
    for _ in range(SIZE // len(_PIECE)):
        send(chunk(_PIECE))
    send(chunk(b"\n\n" + TOKEN + END) + b"0\r\n\r\n")


def lines(send: Send) -> None:
    """One event of many lines."""
    send(CHUNKED)
    for _ in range(SIZE // 16 // 1024):
        send(chunk(b"data: x\n" * 1024))
    send(chunk(b"\n" + END) + b"0\r\n\r\n")


def deep(send: Send) -> None:
    """JSON that is nested beyond all measure, in an event and as a member."""
    nested = b"[" * 200_000
    send(CHUNKED + chunk(b"data: " + nested + b"\n\n") + chunk(b'data: {"choices":' + nested + b"\n\n"))
    send(chunk(TOKEN + END) + b"0\r\n\r\n")


def endless(send: Send) -> None:
    send(CHUNKED)
    while True:
        send(chunk(TOKEN * 64))


def whole(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % SIZE)
    for _ in range(SIZE // len(_PIECE)):
        send(_PIECE)


def head(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nX: ")
    for _ in range(16):
        send(_PIECE)


def headers(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\n" + b"X: a\r\n" * 20_000 + b"\r\n")


def second(send: Send) -> None:
    """An answer with another one behind it, for whoever comes next on this connection."""
    body = b'{"ok":1}'
    other = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %d\r\n\r\n%b" % (len(MARK), MARK)
    send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body + other)


def two_lengths(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 40\r\n\r\n{}" + MARK)


def length_and_chunks(send: Send) -> None:
    send(
        b"HTTP/1.1 200 OK\r\nContent-Length: 60\r\nTransfer-Encoding: chunked\r\n\r\n"
        + chunk(b"{}")
        + b"0\r\n\r\n"
        + MARK
    )


def split_header(send: Send) -> None:
    send(b"HTTP/1.1 200 OK\r\nX: a\nContent-Length: 2\r\n\r\n{}" + MARK)


def bad_chunk(send: Send) -> None:
    send(CHUNKED + b"zz\r\n" + MARK)


def huge_chunk(send: Send) -> None:
    send(CHUNKED + b"f" * 4000 + b"\r\n" + MARK)


def interim(send: Send) -> None:
    """Answers that promise another one, without end."""
    while True:
        send(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 1024)


ATTACKS: dict[str, Callable[[Send], None]] = {
    one.__name__: one
    for one in (
        good, line, lines, deep, endless, whole, head, headers, second, two_lengths, length_and_chunks, split_header,
        bad_chunk, huge_chunk, interim,
    )
}  # fmt: skip


class _Handler(socketserver.StreamRequestHandler):
    def handle(self) -> None:
        try:
            while head := self._head():
                length = int(head.get("content-length", "0"))
                self.rfile.read(length)
                self.server.seen.append(head[""])  # type: ignore[attr-defined]
                name = head.get("x-attack", "")
                if not name:
                    body = json.dumps({"object": "list", "data": [{"id": "hostile", "owned_by": "vllm"}]}).encode()
                    kind = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
                    self.request.sendall(kind % len(body) + body)
                    continue
                ATTACKS[name](self.request.sendall)
                if name not in ("good", "second"):
                    return
        except OSError:
            return

    def _head(self) -> dict[str, str]:
        lines: dict[str, str] = {}
        first = self.rfile.readline().decode("latin-1").strip()
        if not first:
            return {}
        lines[""] = first
        while told := self.rfile.readline().decode("latin-1").strip():
            name, _, value = told.partition(":")
            lines[name.lower()] = value.strip()
        return lines


class HostileRuntime(socketserver.ThreadingTCPServer):
    """Serves from a thread until it is closed."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.seen: list[str] = []
        """First lines of the requests that came."""
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"
