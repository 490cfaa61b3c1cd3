"""S22: hostile clients and a hostile runtime on the two sides of the tap (SECURITY S22)."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.attacks.hostile_runtime import ATTACKS, MARK, SIZE, TOKEN, HostileRuntime
from tests.stack import Stack
from tests.tap.conftest import set_value
from tests.tap.test_hostile import SMUGGLED

GROWTH = 24 << 20
# A client that takes nothing may have so much of an answer waiting for it.
ENOUGH = 4 << 20
BODY = b'{"model":"hostile","stream":true}'


def ask(port: int, attack: str, most: int = SIZE * 2, within_s: float = 60.0) -> bytes:
    """What a client gets of one answer, `most` bytes at most; from then on it is gone."""
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Attack: {attack}\r\nConnection: close\r\n"
    came, until_s = bytearray(), time.monotonic() + within_s
    with socket.create_connection(("127.0.0.1", port), timeout=within_s) as line:
        line.sendall(head.encode() + b"Content-Length: %d\r\n\r\n" % len(BODY) + BODY)
        while len(came) < most and time.monotonic() < until_s:
            try:
                data = line.recv(1 << 20)
            except (TimeoutError, ConnectionError):
                break
            if not data:
                break
            came += data if len(came) < ENOUGH else data[-64:]
            most -= 0 if len(came) < ENOUGH else len(data)
    return bytes(came)


@pytest.fixture(scope="module")
def hostile(stack: Stack) -> Iterator[HostileRuntime]:
    runtime = HostileRuntime()
    set_value(stack, "tap.find", False)
    set_value(stack, "tap.routes", json.dumps({"": runtime.url}))
    yield runtime
    set_value(stack, "tap.routes", "")
    set_value(stack, "tap.find", True)
    runtime.shutdown()
    runtime.server_close()


@pytest.mark.parametrize("asks", [False, True], ids=["as it is", "asking for logprobs"])
def test_s22_a_hostile_runtime_fills_no_memory_and_disturbs_nobody(
    stack: Stack, hostile: HostileRuntime, asks: bool
) -> None:
    port, process = stack.home.ports.tap, psutil.Process(stack.pid("tap"))
    set_value(stack, "tap.ask_logprobs", 5 if asks else 0)
    try:
        for _ in range(3):  # the first is learned from
            assert ask(port, "good").count(TOKEN) == 2
        before, worst_s, most = process.memory_info().rss, 0.0, 0
        foreign = []
        for name in ATTACKS:
            came = ask(port, name, most=SIZE + (4 << 20) if name != "endless" else ENOUGH, within_s=30.0)
            most = max(most, process.memory_info().rss - before)
            began_s = time.monotonic()
            other = ask(port, "good")
            worst_s = max(worst_s, time.monotonic() - began_s)
            if other.count(TOKEN) != 2 or MARK in other or not other.startswith(b"HTTP/1.1 200"):
                foreign.append(name)
            assert came == b"" or came.startswith(b"HTTP/1.1 "), (name, came[:80])
        print(
            f"S22: {len(ATTACKS)} hostile answers, {'with' if asks else 'without'} asking: {len(foreign)} reached the "
            f"next client, memory + {most / 2**20:.1f} MiB at most, the next client within {worst_s * 1e3:.0f} ms"
        )
        assert not foreign
        assert most < GROWTH
        assert stack.pid("tap") == process.pid
    finally:
        set_value(stack, "tap.ask_logprobs", 0)


@pytest.mark.parametrize("name", ["head", "headers", "two_lengths", "split_header", "interim"])
def test_s22_an_answer_that_is_no_http_is_an_error_that_says_so(
    stack: Stack, hostile: HostileRuntime, name: str
) -> None:
    came = ask(stack.home.ports.tap, name, within_s=20.0)
    status, _, body = came.partition(b"\r\n\r\n")
    if name == "interim":
        # It never answers; the client decides how long it waits, and others go on.
        assert came == b""
        return
    assert b" 502 " in status.split(b"\r\n")[0], came[:200]
    error = json.loads(body)["error"]["message"]
    assert hostile.url in error
    print(f"S22: an answer with {name}: {error}")


def test_s22_no_smuggled_request_reaches_the_runtime(stack: Stack, hostile: HostileRuntime) -> None:
    before = len(hostile.seen)
    for request in SMUGGLED.values():
        with socket.create_connection(("127.0.0.1", stack.home.ports.tap), timeout=20) as line:
            line.sendall(request)
            line.settimeout(5)
            try:
                while line.recv(65536):
                    pass
            except (TimeoutError, ConnectionError):
                pass
    through = [first for first in hostile.seen[before:] if "smuggled" in first]
    print(f"S22: {len(SMUGGLED)} requests with another inside: {len(through)} reached the runtime")
    assert not through


def test_s22_endless_answers_leave_the_others_their_share(stack: Stack, hostile: HostileRuntime) -> None:
    """Sixteen answers without end, whose clients take nothing: the runtime is held back, the others are not."""
    port, process = stack.home.ports.tap, psutil.Process(stack.pid("tap"))
    before, lines = process.memory_info().rss, []
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nX-Attack: endless\r\nContent-Length: %d\r\n\r\n"
    try:
        for _ in range(16):
            lines.append(socket.create_connection(("127.0.0.1", port), timeout=20))
            lines[-1].sendall(head % len(BODY) + BODY)
        worst_s = 0.0
        for _ in range(50):
            began_s = time.monotonic()
            assert ask(port, "good").count(TOKEN) == 2
            worst_s = max(worst_s, time.monotonic() - began_s)
        grown = process.memory_info().rss - before
    finally:
        for line in lines:
            line.close()
    print(f"S22: 16 answers without end: memory + {grown / 2**20:.1f} MiB, 50 others within {worst_s * 1e3:.0f} ms")
    assert grown < 2 * GROWTH  # sixteen answers wait for their clients, each within bounds
    assert worst_s < 30.0  # of a machine that is kept busy by sixteen senders
