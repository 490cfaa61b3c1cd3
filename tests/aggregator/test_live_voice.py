"""When the voice sends: at once where a tick is whole, after a short wait where more of it is to come."""

import asyncio

from google.protobuf.message import Message

from bus.clock import monotonic_s
from services.aggregator.broadcast import LiveVoice
from services.aggregator.live import LiveComposer
from services.aggregator.pace import FRAME_S, LINGER_S
from services.aggregator.rings import Rings
from tests.aggregator.tables import CPU, START_US, batch
from tests.waiting import until


class Stage:
    """A voice that somebody listens to, and whose first frame has left."""

    def __init__(self) -> None:
        self.sent: list[Message] = []
        self.rings = Rings()
        self.composer = LiveComposer(7, self.rings)
        self.voice = LiveVoice(self.composer, lambda topic, frame: self.sent.append(frame), lambda: None)

    async def begin(self) -> None:
        self.voice.subscribed(True)
        await until(lambda: self.sent)
        await asyncio.sleep(2 * FRAME_S)  # the turn of rows comes again
        self.sent.clear()

    def comes(self, at_us: int) -> None:
        one = batch([at_us], {CPU: [1.0]})
        self.rings.append(one)
        self.composer.batch(one)


async def test_a_whole_tick_leaves_before_the_loop_turns() -> None:
    stage = Stage()
    await stage.begin()
    stage.comes(START_US)
    stage.voice.news(whole=True)
    assert not stage.sent, "the rest of what has come is taken in first"
    stage.voice.taken_in()
    assert len(stage.sent) == 1
    await asyncio.sleep(2 * FRAME_S)
    assert len(stage.sent) == 1


async def test_the_rest_of_a_tick_is_waited_for() -> None:
    stage = Stage()
    await stage.begin()
    stage.comes(START_US)
    began_s = monotonic_s()
    stage.voice.news()
    stage.voice.taken_in()
    if monotonic_s() - began_s < LINGER_S:
        assert not stage.sent
    stage.comes(START_US + 1)
    stage.voice.news(whole=True)
    stage.voice.taken_in()
    (frame,) = stage.sent
    assert [len(table.times_us) for table in frame.tables] == [2]
