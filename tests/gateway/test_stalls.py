"""Who is shown out: clients that take nothing for minutes, connections that never ask."""

import asyncio
from typing import Any

from bus.descriptors import raise_descriptor_limit
from services.gateway.slow_clients import FIRST_REQUEST_WITHIN_S, SlowClients
from services.gateway.stalls import STALLED_FOR_S, StallWatch


class Line:
    """A transport, as far as it is looked at."""

    def __init__(self) -> None:
        self.waiting_bytes = 0
        self.aborted = False

    def get_write_buffer_size(self) -> int:
        return self.waiting_bytes

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


class Protocol(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport = Line()


def test_a_client_is_cut_after_three_minutes_in_which_its_socket_never_emptied() -> None:
    line: Any = Line()
    watch = StallWatch(line)
    line.waiting_bytes = 1
    for second in range(int(STALLED_FOR_S) + 1):
        watch.tick(float(second))
    assert not line.aborted
    watch.tick(STALLED_FOR_S + 1)
    assert line.aborted


def test_a_client_that_takes_a_little_now_and_then_stays() -> None:
    line: Any = Line()
    watch = StallWatch(line)
    for second in range(1000):
        line.waiting_bytes = second % 100
        watch.tick(float(second))
    assert not line.aborted


def test_a_connection_that_never_asks_is_shown_out_and_one_that_asked_stays() -> None:
    now_s = 0.0
    slow = SlowClients(lambda: now_s)
    make: Any = slow.watch(Protocol)  # type: ignore[arg-type]
    silent, asked = make(), make()
    slow.spoke(asked)
    now_s = FIRST_REQUEST_WITHIN_S
    slow.tick()
    assert not silent.transport.aborted
    now_s += 0.1
    slow.tick()
    assert silent.transport.aborted
    assert not asked.transport.aborted
    assert slow.closed_total == 1


def test_when_too_many_are_silent_the_longest_silent_leaves() -> None:
    slow = SlowClients(lambda: 0.0, max_silent=3)
    make: Any = slow.watch(Protocol)  # type: ignore[arg-type]
    lines = [make().transport for _ in range(5)]
    assert [line.aborted for line in lines] == [True, True, False, False, False]


def test_the_limit_of_open_files_is_never_lowered() -> None:
    before = raise_descriptor_limit(64)
    assert raise_descriptor_limit(64) == before
    assert before >= 64
