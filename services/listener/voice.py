"""What the listener tells the bus: a service went down, came back, needs a person."""

import os

from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, ServiceState

from bus import topics
from bus.clock import boot_us, wall_us
from bus.transport import Publisher

# An event is told each second for so long, with one id: who keeps events may be the one that died.
RETELL_S = 15.0


class Voice:
    """Publishes health and events; retells events until everybody has had time to come back."""

    def __init__(self, publisher: Publisher, started_us: int) -> None:
        self._publisher = publisher
        self._started_us = started_us
        self._told: list[tuple[float, Event]] = []
        self._count = 0

    def down(self, service: str, pid: int, reason: str, restarts: int) -> None:
        health = Health(
            service=service,
            pid=pid,
            state=ServiceState.SERVICE_STATE_DOWN,
            reason=reason,
            time_us=wall_us(),
            restarts=restarts,
        )
        self._publisher.send(topics.health(service), health.SerializeToString())

    def event(self, kind: str, service: str, title: str, now_s: float, **attributes: str) -> None:
        now_us = wall_us()
        self._count += 1
        event = Event(
            id=f"{now_us:016x}-{os.getpid():x}-{self._count}",
            kind=kind,
            time_us=now_us,
            boot_us=boot_us(),
            producer="listener",
            source=f"monitor:{service}",
            title=title,
            attributes=attributes,
        )
        self._told.append((now_s + RETELL_S, event))
        self._send(event)

    def beat(self, now_s: float, restarts: dict[str, int]) -> None:
        """Own health, and the recent events once more."""
        health = Health(
            service="listener",
            pid=os.getpid(),
            state=ServiceState.SERVICE_STATE_READY,
            time_us=wall_us(),
            started_us=self._started_us,
            epoch=self._started_us,
            counters={f"restarts_total:{name}": float(count) for name, count in restarts.items()},
        )
        self._publisher.send(topics.health("listener"), health.SerializeToString())
        self._told = [(until_s, event) for until_s, event in self._told if until_s > now_s]
        for _, event in self._told:
            self._send(event)

    def _send(self, event: Event) -> None:
        self._publisher.send(topics.event(event.kind), event.SerializeToString())
