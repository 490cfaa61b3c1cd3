"""Five hundred connections that never finish their request (SECURITY S18)."""

import contextlib
import os
import resource
import socket
import time

import pytest

from tests.attacks.raw_http import request, send
from tests.stack import Stack

CONNECTIONS = 500


def slow_connections(port: int, number: int) -> list[socket.socket]:
    lines = []
    for _ in range(number):
        line = socket.create_connection(("127.0.0.1", port), timeout=10)
        line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: ")
        lines.append(line)
    return lines


def attack(stack: Stack, seconds: float) -> tuple[float, int]:
    """The longest answer of a new request meanwhile, in seconds, and how many slow ones were shown out."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 4096), hard))
    port = stack.home.ports.page
    lines = slow_connections(port, CONNECTIONS)
    try:
        worst_s, until_s = 0.0, time.monotonic() + seconds
        while time.monotonic() < until_s:
            for line in lines:
                with contextlib.suppress(OSError):  # shown out already
                    line.send(b"x")
            began = time.monotonic()
            answer = send(port, request("GET", "/healthz", [("Host", f"127.0.0.1:{port}")]))
            worst_s = max(worst_s, time.monotonic() - began)
            assert answer.status == 200
            time.sleep(0.05)
        gone = 0
        for line in lines:
            line.setblocking(False)
            with contextlib.suppress(BlockingIOError):
                try:
                    gone += line.recv(4096) == b"" or True
                except ConnectionError:
                    gone += 1
        return worst_s, gone
    finally:
        for line in lines:
            line.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_s18_a_new_request_is_answered_beside_500_slow_ones(stack: Stack) -> None:
    worst_s, gone = attack(stack, 15.0)
    print(f"S18: {CONNECTIONS} slow ones for 15 s: a new request within {worst_s * 1e3:.0f} ms, {gone} shown out")
    assert worst_s < 1.0
    assert gone == CONNECTIONS


@pytest.mark.long
def test_s18_for_a_minute(stack: Stack) -> None:
    before = len(os.listdir(f"/proc/{stack.pid('gateway')}/fd"))
    worst_s, gone = attack(stack, 60.0)
    print(f"S18: {CONNECTIONS} slow ones for 60 s: a new request within {worst_s * 1e3:.0f} ms, {gone} shown out")
    assert worst_s < 1.0
    assert len(os.listdir(f"/proc/{stack.pid('gateway')}/fd")) < before + 50
