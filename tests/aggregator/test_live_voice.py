"""When the voice sends: at once where a tick is whole, after a short wait where more of it is to come."""

import pytest
from wfmonitor.v1.live_pb2 import LiveFrame

from services.aggregator import broadcast
from services.aggregator.broadcast import LiveVoice
from services.aggregator.live import LiveComposer
from services.aggregator.pace import FRAME_S
from services.aggregator.rings import Rings
from tests.aggregator.tables import CPU, START_US, batch
from tests.waiting import until


class Stage:
    """A voice that somebody listens to, by a clock that is set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_s = 100.0
        monkeypatch.setattr(broadcast, "monotonic_s", lambda: self.now_s)
        self.sent: list[LiveFrame] = []
        self.rings = Rings()
        self.composer = LiveComposer(7, self.rings)
        self.voice = LiveVoice(self.composer, lambda topic, frame: self.sent.append(frame), lambda: None)

    async def begin(self) -> None:
        """The first frame has left, and the turn of rows comes again."""
        self.voice.subscribed(True)
        await until(lambda: self.sent)
        self.sent.clear()
        self.now_s += FRAME_S

    def comes(self, at_us: int, *, whole: bool) -> None:
        one = batch([at_us], {CPU: [1.0]})
        self.rings.append(one)
        self.composer.batch(one)
        self.voice.news(whole=whole)

    @property
    def times_us(self) -> list[list[int]]:
        """The rows of each frame sent."""
        return [[at_us for table in frame.tables for at_us in table.times_us] for frame in self.sent]


async def test_a_whole_tick_leaves_before_the_loop_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    await stage.begin()
    stage.comes(START_US, whole=True)
    assert not stage.sent, "the rest of what has come is taken in first"
    stage.voice.taken_in()
    assert stage.times_us == [[START_US]]
    stage.now_s += FRAME_S
    stage.comes(START_US + 1, whole=True)
    await until(lambda: len(stage.sent) > 1)  # nobody says that all is taken in: with the next turn of the loop
    assert stage.times_us == [[START_US], [START_US + 1]]


async def test_the_rest_of_a_tick_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    await stage.begin()
    stage.comes(START_US, whole=False)
    stage.voice.taken_in()
    assert not stage.sent
    stage.comes(START_US + 1, whole=True)
    stage.voice.taken_in()
    assert stage.times_us == [[START_US, START_US + 1]]
