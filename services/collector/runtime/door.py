"""The one way to a runtime: a GET over loopback, with a deadline for all of it and a cap on the answer.

No proxy is asked, no redirect followed, and the connection is closed after each answer: llama.cpp keeps one of its
few threads busy for every connection that is kept open.
"""

from __future__ import annotations

import errno
import http.client
import ipaddress
import socket
import time
from enum import Enum
from typing import Any, NamedTuple, TypeVar

import msgspec

from bus.unreadable import UNREADABLE

CAP_BYTES = 4 * 1024 * 1024
DEADLINE_S = 2.0
_KNOCK_S = 0.05

T = TypeVar("T")


class Closed(Exception):
    """Nothing listens at the port."""


class Slow(Exception):
    """No whole answer within the deadline: it may be busy, and says nothing about whether it lives."""


class Faulty(Exception):
    """An answer that is none: no HTTP, cut off, or larger than 4 MiB."""


class Refused(Faulty):
    """An answer with another status than 200."""

    def __init__(self, path: str, status: int) -> None:
        self.path, self.status = path, status
        super().__init__(f"{path} answers {status}")


class Answer(NamedTuple):
    """What came back, a refusal included."""

    status: int
    body: bytes
    server: str = ""
    """The header `Server`."""
    life: str = ""
    """The header `Process-Start-Time-Unix`: another one is another life of the runtime. Not a time of day."""

    @property
    def good(self) -> bool:
        return self.status == 200


class _Timed(socket.socket):
    """A socket whose every wait ends at one deadline: a peer that sends a byte now and then cannot stretch it."""

    until_s = 0.0

    def left_s(self) -> float:
        left_s = self.until_s - time.monotonic()
        if left_s <= 0.0:
            raise TimeoutError
        return left_s

    def recv_into(self, *args: Any, **named: Any) -> int:
        self.settimeout(self.left_s())
        return super().recv_into(*args, **named)


class Door:
    """One port of this machine. Used by one thread, one request at a time."""

    def __init__(self, port: int, host: str = "127.0.0.1", deadline_s: float = DEADLINE_S) -> None:
        """Raises ValueError for an address that is not loopback."""
        if not ipaddress.ip_address(host).is_loopback:
            raise ValueError(f"{host} is not loopback: runtimes are only looked at on this machine itself")
        self.host, self.port = host, port
        self.deadline_s = deadline_s

    def json(self, path: str, kind: type[T], deadline_s: float = 0.0) -> T:
        """The fields of `kind` of a JSON answer, and no other: what a runtime tells besides is never built.

        Raises as `get` does, Refused where the status is not 200, Faulty where the answer has another shape.
        """
        answer = self.get(path, deadline_s)
        if not answer.good:
            raise Refused(path, answer.status)
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except UNREADABLE:  # its text may hold content: it is not passed on
            raise Faulty(f"{path} answers in another shape than is known") from None

    def get(self, path: str, deadline_s: float = 0.0) -> Answer:
        """Asks for a path. Raises Closed, Slow or Faulty; a refusal with a status is an answer."""
        deadline_s = deadline_s or self.deadline_s
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        peer = _Timed(family, socket.SOCK_STREAM)
        peer.until_s = time.monotonic() + deadline_s
        connection = http.client.HTTPConnection(self.host, self.port)
        connection.sock = peer
        try:
            peer.settimeout(peer.left_s())
            peer.connect((self.host, self.port))
            connection.putrequest("GET", path, skip_accept_encoding=True)
            connection.putheader("User-Agent", "wirthforge-monitor")
            connection.putheader("Connection", "close")
            connection.endheaders()
            response = connection.getresponse()
            body = response.read(CAP_BYTES + 1)
        except TimeoutError:
            raise Slow(f"{path} did not answer within {deadline_s:g} s") from None
        except ConnectionRefusedError:
            raise Closed(f"port {self.port} is closed") from None
        except (OSError, http.client.HTTPException, ValueError) as error:  # ValueError: a chunk of less than nothing
            raise Faulty(f"{path}: {type(error).__name__}") from None
        finally:
            connection.close()
            peer.close()
        if len(body) > CAP_BYTES:
            raise Faulty(f"{path} answers with more than {CAP_BYTES} bytes")
        headers = response.headers
        return Answer(
            response.status, body, headers.get("Server", "")[:64], headers.get("Process-Start-Time-Unix", "")[:64]
        )


class Knock(Enum):
    """What a port said."""

    OPEN = "something listens"
    CLOSED = "nothing listens"
    SILENT = "no answer: a full backlog, say"


def knock(port: int, host: str = "127.0.0.1") -> Knock:
    """Whether something listens there. Loopback answers at once; a full backlog does not, and is waited 50 ms for."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(_KNOCK_S)
        said = probe.connect_ex((host, port))
    return Knock.OPEN if said == 0 else Knock.CLOSED if said == errno.ECONNREFUSED else Knock.SILENT
