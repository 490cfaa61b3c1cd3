"""What is written together: rows, events, and the cursors that pass over them."""

import logging
from collections.abc import Mapping

from wfmonitor.v1.event_pb2 import Event

from bus.logs import ServiceLogger
from services.aggregator.inbox import Position
from services.aggregator.recorder import MAX_UNSAVED_EVENTS, Recorder
from services.aggregator.recording import Recording
from services.aggregator.rings import Rings
from services.aggregator.transaction import RowBlock


class Disk:
    """Keeps events; while it keeps the first ones another comes in. Notes what was kept when cursors came."""

    def __init__(self) -> None:
        self.kept: list[str] = []
        self.cursors_came_after: list[list[str]] = []
        self.late: Event | None = Event(id="late")
        self.recorder: Recorder
        self.reached = Position(1, 1)

    async def keep(self, events: list[Event]) -> None:
        if self.late is not None:
            self.recorder.event(self.late)
            self.reached = Position(1, 2)
            self.late = None
        self.kept += [event.id for event in events]

    async def write(self, blocks: list[RowBlock], cursors: Mapping[str, Position]) -> bool:
        assert cursors["p"] == self.reached
        self.cursors_came_after.append(list(self.kept))
        return True

    def lost(self, reason: str, what: str, samples: int) -> None:
        raise AssertionError("nothing is lost here")


async def test_cursor_never_passes_an_event_that_came_while_others_were_kept() -> None:
    disk = Disk()
    log = ServiceLogger(logging.getLogger("test"), {})
    disk.recorder = Recorder(Rings(), Recording(lambda _: True), disk, disk, lambda: {"p": disk.reached}, log)
    disk.recorder.event(Event(id="early"))
    assert await disk.recorder.flush()
    assert disk.cursors_came_after == [["early", "late"]]
    assert disk.recorder.unsaved_events == []


async def test_events_that_find_no_room_are_counted() -> None:
    disk = Disk()
    log = ServiceLogger(logging.getLogger("test"), {})
    disk.recorder = Recorder(Rings(), Recording(lambda _: True), disk, disk, lambda: {"p": disk.reached}, log)
    for number in range(MAX_UNSAVED_EVENTS + 3):
        disk.recorder.event(Event(id=str(number)))
    assert len(disk.recorder.unsaved_events) == MAX_UNSAVED_EVENTS
    assert disk.recorder.lost_events == 3
