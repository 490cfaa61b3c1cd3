"""Requests byte by byte, since no client library would send what an attacker does; and every address there is."""

import re
import socket
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import NamedTuple

import wfmonitor.v1
from google.protobuf.descriptor_pool import Default

import services.gateway
from services.gateway.__main__ import OWNERS

TIMEOUT_S = 10.0
_ROUTE = re.compile(r'web\.(get|post)\(\s*"([^"]+)"')


class Answer(NamedTuple):
    """What came back; status 0: nothing, the connection was closed."""

    status: int
    head: str
    body: bytes


def send(port: int, request: bytes, timeout_s: float = TIMEOUT_S) -> Answer:
    """One connection, one request, the answer to its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=timeout_s) as line:
        line.sendall(request)
        received = b""
        while True:
            try:
                part = line.recv(65536)
            except (ConnectionResetError, TimeoutError):
                break
            received += part
            head, found, body = received.partition(b"\r\n\r\n")
            if not part or (found and _whole(head, body)):
                break
    head, _, body = received.partition(b"\r\n\r\n")
    match = re.match(rb"HTTP/1\.[01] (\d{3})", head)
    return Answer(int(match[1]) if match else 0, head.decode("latin-1"), body)


def _whole(head: bytes, body: bytes) -> bool:
    if re.match(rb"HTTP/1\.1 101 |(?s:.*)text/event-stream", head):
        return True  # what follows has no end
    match = re.search(rb"(?i)content-length: (\d+)", head)
    return match is not None and len(body) >= int(match[1])


def request(method: str, path: str, headers: list[tuple[str, str]], body: bytes = b"") -> bytes:
    """A request with exactly these headers, and Content-Length where there is a body."""
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers), "Connection: close"]
    if body or method == "POST":
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1", "replace") + b"\r\n\r\n" + body


def routes() -> list[tuple[str, str]]:
    """(method, path) of every address the gateway's source names, and of the shell."""
    found = {("GET", "/"), ("GET", "/index.html")}
    for path in Path(services.gateway.__path__[0]).glob("*.py"):
        found |= {(method.upper(), address) for method, address in _ROUTE.findall(path.read_text())}
    return sorted(found)


def rpcs() -> list[str]:
    """Every method of every service that the gateway puts behind the gRPC door, as /service/method."""
    for module in iter_modules(wfmonitor.v1.__path__):
        if module.name.endswith("_service_pb2"):
            import_module(f"wfmonitor.v1.{module.name}")  # its schema joins the pool
    pool = Default()
    return [f"/{name}/{method.name}" for name in OWNERS for method in pool.FindServiceByName(name).methods]
