"""Chunks and ring as one past."""

from itertools import pairwise

import numpy as np
import pytest
from wfmonitor.v1.metrics_service_pb2 import Selector
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.series import Series
from services.aggregator.history import History, Past
from services.aggregator.rings import Rings
from services.aggregator.selection import Selection
from services.aggregator.statistics import statistic
from services.aggregator.steps import Steps, by_step, step_ends
from tests.aggregator.tables import CPU, START_US, batch, process

SECOND = 1_000_000


def past_of(rings: Rings, rows: dict) -> History:
    times = [t for pairs in rows.values() for t, _ in pairs]
    return History(rings, Written(rows), lambda: min(times, default=0), lambda: max(times, default=0))


class Written:
    """Chunks as a list of rows."""

    def __init__(self, rows: dict) -> None:
        self.rows = rows
        self.asked = 0
        self.happened: tuple[Series, ...] = ()

    def events(self, metric: str) -> list[Series]:
        return [series for series in self.happened if series.metric == metric]

    async def read(self, selector: Selector, start_us: int, end_us: int) -> list[Past]:
        self.asked += 1
        chosen = Selection(selector.metric, selector.source, tuple((x.name, x.value) for x in selector.labels))
        found = []
        for series, pairs in self.rows.items():
            inside = [(t, v) for t, v in pairs if start_us < t <= end_us]
            if chosen.matches(series):
                times, values = np.array([t for t, _ in inside], np.int64), np.array([v for _, v in inside], float)
                found.append(Past(series, times, values))
        return found


def second(n: int) -> int:
    return START_US + n * SECOND


async def test_rows_in_both_are_told_once() -> None:
    rings = Rings()
    rings.append(batch([second(n) for n in range(5, 10)], {CPU: [float(n) for n in range(5, 10)]}, rate_hz=1.0))
    history = past_of(rings, {CPU: [(second(n), float(n)) for n in range(8)]})
    (past,) = await history.read(Selection("system.cpu.percent"), START_US, second(100))
    assert past.values.tolist() == [float(n) for n in range(1, 10)]
    assert past.times_us.tolist() == [second(n) for n in range(1, 10)]


async def test_clock_set_back_and_forth_tells_each_row_once() -> None:
    """The rings hold the newest rows, whatever times they have; the chunks what was written of all of them."""
    rings = Rings()
    walked = [50, 51, 52, 20, 21, 22, 53, 54, 55]  # seconds of the wall clock: back at the third, on at the sixth
    rows = [(second(n), float(at)) for at, n in enumerate(walked)]
    rings.append(batch([t for t, _ in rows[4:]], {CPU: [v for _, v in rows[4:]]}, rate_hz=1.0))
    (past,) = await past_of(rings, {CPU: rows[:7]}).read(Selection("system.cpu.percent"), START_US, second(100))
    assert list(zip(past.times_us.tolist(), past.values.tolist(), strict=True)) == sorted(rows)


async def test_rows_ahead_of_a_clock_set_back_are_found_on_disk() -> None:
    rings = Rings()
    rings.append(batch([second(n) for n in range(10, 15)], {CPU: [float(n) for n in range(10, 15)]}, rate_hz=1.0))
    history = past_of(rings, {CPU: [(second(70), 70.0), (second(71), 71.0)]})
    (past,) = await history.read(Selection("system.cpu.percent"), second(12), second(100))
    assert past.values.tolist() == [13.0, 14.0, 70.0, 71.0]


async def test_events_count_in_any_window_wherever_they_are_held() -> None:
    rings, hour_us = Rings(), 3600 * SECOND
    old = {CPU: [(second(1), 3.0), (second(2), 9.0)]}
    history = past_of(rings, old)
    chosen, p95 = Selection("system.cpu.percent"), statistic("p95")
    assert np.isnan((await history.window(chosen, second(1000), hour_us, p95))[CPU])  # readings of long ago
    written = Written(old)
    written.happened = (CPU,)
    history = History(rings, written, lambda: second(1))
    assert await history.window(chosen, second(1000), hour_us, p95) == {CPU: 9.0}
    rings.append(batch([second(900)], {CPU: [11.0]}, rate_hz=1.0, group=RateGroup.RATE_GROUP_EVENT))
    assert await history.window(chosen, second(1000), hour_us, p95) == {CPU: 11.0}
    assert await history.window(chosen, second(1000), 0, statistic("last")) == {CPU: 11.0}
    assert await history.window(chosen, second(1300), 0, statistic("last")) == {}


async def test_what_the_rings_hold_needs_no_disk() -> None:
    rings = Rings()
    rings.append(batch([second(n) for n in range(10)], {CPU: [1.0] * 10}, rate_hz=1.0))
    written = Written({})
    await History(rings, written, lambda: 0).read(Selection("system.cpu.percent"), second(3), second(9))
    assert written.asked == 0


async def test_series_of_gone_sources_are_found_on_disk() -> None:
    rings = Rings()
    rings.append(batch([second(50)], {process(1): [1.0]}, rate_hz=1.0, source="process"))
    history = past_of(rings, {process(2): [(second(1), 2.0)]})
    pasts = await history.read(Selection("process.cpu_percent"), START_US, second(60))
    assert [past.series for past in pasts] == [process(1), process(2)]
    (one,) = await history.read(Selection("process.cpu_percent", "process:#2"), START_US, second(60))
    assert one.values.tolist() == [2.0]


async def test_series_that_moved_to_another_rate_is_one_line() -> None:
    rings = Rings()
    rings.append(batch([second(n) for n in range(3)], {CPU: [0.0, 1.0, 2.0]}, rate_hz=1.0, group=3))
    rings.append(batch([second(n) for n in range(3, 6)], {CPU: [3.0, 4.0, 5.0]}, rate_hz=10.0, group=2))
    (past,) = await past_of(rings, {}).read(Selection("system.cpu.percent"), START_US - 1, second(9))
    assert past.values.tolist() == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0]


async def test_wall_clock_set_back_leaves_times_in_order() -> None:
    rings = Rings()
    rings.append(batch([second(10), second(11)], {CPU: [1.0, 2.0]}, boot_us=[10, 20], rate_hz=1.0))
    rings.append(batch([second(5)], {CPU: [3.0]}, boot_us=[SECOND], rate_hz=1.0))
    (past,) = await past_of(rings, {}).read(Selection("system.cpu.percent"), START_US, second(20))
    assert past.times_us.tolist() == [second(5), second(10), second(11)]
    assert past.values.tolist() == [3.0, 1.0, 2.0]


async def test_window_over_the_past_knows_staleness() -> None:
    history = past_of(Rings(), {CPU: [(second(n), float(n)) for n in range(10)]})
    chosen = Selection("system.cpu.percent")
    assert await history.window(chosen, second(9), 4 * SECOND, statistic("avg")) == {CPU: 7.5}
    late = await history.window(chosen, second(13), 10 * SECOND, statistic("avg"))
    assert np.isnan(late[CPU])
    assert await history.window(chosen, second(5) + 10, 0, statistic("last")) == {CPU: pytest.approx(5.0)}


async def test_a_long_past_comes_in_slices_that_end_with_steps() -> None:
    hours = {CPU: [(second(n * 60), float(n)) for n in range(1, 301)]}
    history = past_of(Rings(), hours)
    step_us = 7 * 60 * SECOND
    slices = [found async for found in history.slices(Selection(CPU.metric), 0, second(18_000), step_us)]
    assert len(slices) == 6
    assert sum(len(past.times_us) for _, _, pasts in slices for past in pasts) == 300
    assert all(start % step_us == 0 for start, _, _ in slices)
    assert [b[0] - a[1] for a, b in pairwise(slices)] == [0] * 5
    assert slices[-1][1] == second(18_000)


async def test_steps_over_slices_equal_one_over_all() -> None:
    rows = [(second(n * 10), float(n % 17)) for n in range(1, 1500)]
    history = past_of(Rings(), {CPU: rows})
    start, end, step = START_US, second(15_000), 700 * SECOND
    ends = step_ends(start, end, step)
    steps = Steps(start, ends, step, statistic("p95"))
    async for a, b, pasts in history.slices(Selection(CPU.metric), start, end, step):
        await steps.take(a, b, pasts)
    (one,) = steps.answer()
    times, values = np.array([t for t, _ in rows]), np.array([v for _, v in rows])
    np.testing.assert_array_equal(one.values, by_step(values, times, start, ends, statistic("p95")))
    assert steps.rows_read == 1499
