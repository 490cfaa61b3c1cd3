"""A relay between the tap and a runtime that keeps what passes, and may cut it anywhere."""

from __future__ import annotations

import contextlib
import re
import socket
import threading
import time
from pathlib import Path

_TAKEN_WITHIN_S = 10.0
# Not the MiBs that the kernel would give: what is held back shows soon.
_BUFFER = 1 << 16


class Relay:
    """One connection at a time to the runtime at `port`; `with` stops it. It holds back whom the tap holds back.

    With `cutting` an answer goes on in pieces of a few bytes, each sent when the tap has taken the one before; the
    bytes of a letter that has several of them go one by one.
    """

    def __init__(self, port: int, *, cutting: bool = False) -> None:
        self._runtime, self._cutting = ("127.0.0.1", port), cutting
        self._door = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._door.getsockname()[1]}"
        self.sent = bytearray()
        """All that the runtime answered and the relay has handed on."""
        self.cuts = 0
        self._lines: tuple[socket.socket, ...] = ()
        self._thread = threading.Thread(target=self._accept, daemon=True)

    def __enter__(self) -> Relay:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for line in (self._door, *self._lines):  # one may wait for ever for a client that takes nothing
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)
        self._door.close()
        self._thread.join(_TAKEN_WITHIN_S)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the door has been closed
            while True:
                tap, _ = self._door.accept()
                with tap, socket.create_connection(self._runtime) as runtime, contextlib.suppress(OSError):
                    self._lines = (tap, runtime)
                    tap.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    tap.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
                    asks = threading.Thread(target=self._ask, args=(tap, runtime), daemon=True)
                    asks.start()
                    self._answer(runtime, tap)
                    tap.shutdown(socket.SHUT_RDWR)
                    asks.join()

    @staticmethod
    def _ask(tap: socket.socket, runtime: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while asked := tap.recv(65536):
                runtime.sendall(asked)
            runtime.shutdown(socket.SHUT_RDWR)

    def _answer(self, runtime: socket.socket, tap: socket.socket) -> None:
        here, there = tap.getsockname()[1], tap.getpeername()[1]
        while answered := runtime.recv(65536):
            for piece in pieces(answered) if self._cutting else [answered]:
                tap.sendall(piece)
                self.sent += piece
                if self._cutting:
                    self.cuts += taken(there, here)


def pieces(answered: bytes) -> list[bytes]:
    """Return it in pieces of 11 bytes or fewer, cut behind every byte that is no ASCII."""
    return re.findall(rb"[\x00-\x7f]{0,10}[\x00-\xff]", answered)


def taken(port: int, peer: int) -> bool:
    """Waits until the process behind a loopback socket has read all that came; False where the socket is gone."""
    ends = f"0100007F:{port:04X} 0100007F:{peer:04X}"
    deadline_s = time.monotonic() + _TAKEN_WITHIN_S
    while time.monotonic() < deadline_s:
        line = next((line for line in Path("/proc/net/tcp").read_text().splitlines() if ends in line), None)
        if line is None:
            return False
        if line.split()[4].endswith(":00000000"):  # tx_queue:rx_queue
            return True
        time.sleep(0)  # a span of no length, the tap's turn between two looks: the kernel tells nobody of this
    raise TimeoutError("the tap reads nothing more")


def body_of(answer: bytes) -> bytes:
    """The body of one chunked HTTP answer."""
    body, rest = b"", answer.split(b"\r\n\r\n", 1)[1]
    while True:
        size, rest = rest.split(b"\r\n", 1)
        if not (length := int(size, 16)):
            return body
        body, rest = body + rest[:length], rest[length + 2 :]
