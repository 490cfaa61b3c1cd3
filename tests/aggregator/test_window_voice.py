"""When windows are told: never without rows that a pause of ours has kept from us."""

import math

import pytest
from wfmonitor.v1.window_pb2 import WindowValue

from bus.logs import open_log
from services.aggregator import broadcast
from services.aggregator.broadcast import PAUSE_S, WindowVoice
from services.aggregator.rings import Rings
from services.aggregator.standing import GRID_US, WAIT_US, Query, StandingQueries
from tests.aggregator.tables import BOOT_OFFSET_US, CPU, START_US, batch
from tests.waiting import until

QUERY = Query("system.cpu.percent", "count", "1s")


class Stage:
    """A voice with one listener, rows at 10 Hz, and clocks that are set by hand."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now_us = self.next_us = START_US
        monkeypatch.setattr(broadcast, "wall_us", lambda: self.now_us)
        monkeypatch.setattr(broadcast, "boot_us", lambda: self.now_us - BOOT_OFFSET_US)
        monkeypatch.setattr(broadcast, "monotonic_s", lambda: self.now_us / 1e6)
        self.told: list[tuple[int, list[float]]] = []
        self.looks = 0
        self.rings = Rings()
        self.voice = WindowVoice(
            StandingQueries(self.rings), lambda topic, value: None, lambda: None, self.behind, open_log("test")
        )

    def behind(self) -> bool:
        self.looks += 1
        return False

    def hear(self, value: WindowValue) -> None:
        self.told.append((value.time_us, list(value.values)))

    def rows(self) -> None:
        """Those up to now that have not come yet, one on each grid point."""
        while self.next_us <= self.now_us:
            self.rings.append(batch([self.next_us], {CPU: [1.0]}))
            self.next_us += GRID_US
        self.voice.news()

    async def evaluated(self) -> None:
        looks = self.looks
        await until(lambda: self.looks > looks)

    async def begin(self) -> None:
        """A second of rows, each grid point of it told."""
        self.voice.listen(QUERY, self.hear)
        self.now_us += 1_000_000
        self.rows()
        await self.evaluated()
        self.now_us += WAIT_US
        await until(lambda: self.told and self.told[-1][0] >= START_US + 1_000_000)


async def test_after_a_pause_of_ours_rows_have_their_time_to_come(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    await stage.begin()
    told, paused_us = len(stage.told), stage.now_us
    stage.now_us += 5_000_000
    await stage.evaluated()  # our alarm goes off before a message has reached us
    await stage.evaluated()
    assert len(stage.told) == told
    stage.rows()
    stage.now_us += WAIT_US
    await until(lambda: stage.told[-1][0] > stage.now_us - WAIT_US - GRID_US)
    late = [values for at_us, values in stage.told if paused_us < at_us < stage.next_us]
    assert len(late) > 40
    assert set(map(tuple, late)) == {(10.0,)}


async def test_a_producer_that_is_silent_is_told_as_silent(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch)
    await stage.begin()
    silent_us = stage.now_us
    while stage.now_us < silent_us + 3_000_000:
        stage.now_us += round(PAUSE_S * 1e6) // 2  # we look each time: no pause of ours
        await stage.evaluated()
    await until(lambda: stage.told[-1][0] > silent_us + 2_000_000)
    assert all(math.isnan(value) for value in stage.told[-1][1])
