"""What `wfmon up` says while it stays: a line for each event and each change of a service, else nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self

import grpc
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, ServiceState
from wfmonitor.v1.metrics_service_pb2 import ListEventsRequest, ListHealthRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from bus.home import Home
from services.cli.connection import open_door
from services.cli.text import clock, printable

# Services speak of their health at 1 Hz.
_LOOK_S = 1.0
# An event may come late: the listener tells of a restart for 15 s, until whoever keeps events is back.
_LOOK_BACK_US = 60 * 1_000_000
# What is no change of the monitor: spikes are many, and the page and `wfmon top` show them with their processes.
_UNSAID = frozenset({"spike", "inventory"})


class Teller:
    """Which lines events and healths are worth. Pure: what was said before is all it remembers."""

    def __init__(self, since_us: int) -> None:
        """Events before `since_us` are not told."""
        self._since_us = since_us
        self._said: set[str] = set()
        self._health: dict[str, tuple[int, str]] = {}
        self._answers = True

    def events(self, events: Iterable[Event]) -> Iterator[str]:
        """Yield a line for each event not yet told."""
        for event in events:
            if event.kind in _UNSAID or event.id in self._said or event.time_us < self._since_us:
                continue
            self._said.add(event.id)
            reason = event.attributes.get("reason", "")
            yield f"{clock(event.time_us)[:8]}  {printable(event.title)}" + (
                f" ({printable(reason)})" if reason else ""
            )

    def healths(self, healths: Iterable[Health]) -> Iterator[str]:
        """Yield a line for each service whose state or reason is another than before; a first "ready" is none."""
        for health in healths:
            now = (int(health.state), health.reason)
            before = self._health.get(health.service)
            self._health[health.service] = now
            if before == now or (before is None and health.state == ServiceState.SERVICE_STATE_READY):
                continue
            name = ServiceState.Name(health.state).removeprefix("SERVICE_STATE_").lower()
            reason = f": {printable(health.reason)}" if health.reason else ""
            yield f"{clock(health.time_us)[:8]}  {health.service} is {name}{reason}"

    def door(self, answers: bool) -> Iterator[str]:
        """Yield a line where the door begins or ceases to answer."""
        if answers is not self._answers:
            self._answers = answers
            now = time.strftime("%H:%M:%S")
            yield f"{now}  the gateway {'answers again' if answers else 'does not answer; it is started again'}"


class Foreground:
    """Asks once a second, in a thread of its own, and prints what there is to tell."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._stop = threading.Event()
        self._teller = Teller(time.time_ns() // 1000)

    def __enter__(self) -> Self:
        threading.Thread(target=self._watch, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()

    def _watch(self) -> None:
        with open_door(self._home) as channel:
            stub = MetricsServiceStub(channel)
            while not self._stop.wait(_LOOK_S):
                for line in self._look(stub):
                    if not self._stop.is_set():
                        print(line, flush=True)

    def _look(self, stub: MetricsServiceStub) -> Iterator[str]:
        now_us = time.time_ns() // 1000
        try:
            since = ListEventsRequest(start_us=now_us - _LOOK_BACK_US, end_us=now_us)
            events = stub.ListEvents(since, timeout=_LOOK_S).events
            healths = stub.ListHealth(ListHealthRequest(), timeout=_LOOK_S).services
        except grpc.RpcError:
            yield from self._teller.door(answers=False)
            return
        yield from self._teller.door(answers=True)
        yield from self._teller.events(events)
        yield from self._teller.healths(healths)
