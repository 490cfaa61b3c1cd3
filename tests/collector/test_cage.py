"""Guard, assembly, inventory: one sampler's failure, cost and coming are its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import pytest

from bus.series import Series
from services.collector.assembly import Assembly
from services.collector.guard import Guard
from services.collector.inventory import Inventory
from services.collector.placement import choose
from services.collector.sampler import Absent, Machine, Sampler

RATES = {"render": 60.0, "resource": 10.0, "trend": 1.0}


class Plain:
    """A sampler made of a function."""

    may_rise = False

    def __init__(self, name: str, read: Callable[[float], Sequence[float]], *columns: Series) -> None:
        self.name = name
        self.group = "resource"
        self.named = columns
        self._read = read

    def columns(self) -> tuple[Series, ...]:
        return self.named

    def read(self, now_s: float) -> Sequence[float]:
        return self._read(now_s)


class Log(list[tuple[str, str, str]]):
    def warn(self, text: str, sampler: str, error: str) -> None:
        self.append((text, sampler, error))


ONE, OTHER = Series("system.load1", "system"), Series("system.load5", "system")


def test_failing_sampler_is_absent_counted_and_said_ever_more_rarely() -> None:
    log = Log()

    def fail(now_s: float) -> list[float]:
        raise RuntimeError("sensor on fire")

    guard = Guard(Plain("bad", fail, ONE, OTHER), log.warn)
    for second in range(3600):
        values = guard.read(float(second))
        assert len(values) == 2
        assert all(math.isnan(value) for value in values)
    assert guard.errors == 3600
    assert 5 <= len(log) <= 8
    assert log[0] == ("cannot be read, its series are absent; failure 1", "bad", "RuntimeError: sensor on fire")


def test_sampler_that_recovers_says_so_once() -> None:
    log, broken = Log(), [True]

    def read(now_s: float) -> list[float]:
        if broken[0]:
            raise OSError(5, "Input/output error")
        return [1.0]

    guard = Guard(Plain("wobbly", read, ONE), log.warn)
    guard.read(1.0), guard.read(2.0)
    broken[0] = False
    assert guard.read(3.0) == [1.0]
    guard.read(4.0)
    assert [text for text, _, _ in log] == [
        "cannot be read, its series are absent; failure 1",
        "reads again, after 2 failures",
    ]


def test_wrong_number_of_values_is_a_failure() -> None:
    log = Log()
    guard = Guard(Plain("short", lambda now_s: [1.0], ONE, OTHER), log.warn)
    assert all(math.isnan(value) for value in guard.read(1.0))
    assert log[0][2] == "ValueError: 1 values for 2 columns"


def test_failing_sampler_leaves_its_neighbours_alone() -> None:
    def fail(now_s: float) -> list[float]:
        raise RuntimeError

    log = Log()
    good = Plain("good", lambda now_s: [now_s], ONE)
    assembly = Assembly([Guard(Plain("bad", fail, OTHER), log.warn), Guard(good, log.warn)])
    (row,) = assembly.rows(7.0)
    assert row.columns == (OTHER, ONE)
    assert math.isnan(row.values[0])
    assert row.values[1] == 7.0


def test_rows_are_divided_by_source_and_small_sources_share_a_table() -> None:
    columns = (
        Series("gpu.power_w", "gpu:0"),
        Series("process.cpu_percent", "process:#1"),
        Series("gpu.power_w", "gpu:1"),
        Series("process.cpu_percent", "process:#2"),
        Series("monitor.rss_bytes", "monitor:gateway"),
    )
    assembly = Assembly([Guard(Plain("mixed", lambda now_s: [1.0, 2.0, 3.0, 4.0, 5.0], *columns), Log().warn)])
    rows = {row.source: (row.columns, row.values) for row in assembly.rows(1.0)}
    assert rows == {
        "gpu:0": ((columns[0],), [1.0]),
        "process": ((columns[1], columns[3]), [2.0, 4.0]),
        "gpu:1": ((columns[2],), [3.0]),
        "monitor": ((columns[4],), [5.0]),
    }


def test_columns_are_the_same_object_until_they_change() -> None:
    sampler = Plain("one", lambda now_s: [1.0] * len(sampler.named), ONE)
    assembly = Assembly([Guard(sampler, Log().warn)])
    first, second = assembly.rows(1.0)[0].columns, assembly.rows(2.0)[0].columns
    assert first is second
    sampler.named = (ONE, OTHER)
    assert assembly.rows(3.0)[0].columns == (ONE, OTHER)


def test_series_claimed_twice_belongs_to_the_first() -> None:
    two = [
        Guard(Plain("a", lambda now_s: [1.0], ONE), Log().warn),
        Guard(Plain("b", lambda now_s: [2.0], ONE), Log().warn),
    ]
    (row,) = Assembly(two).rows(1.0)
    assert (row.columns, row.values) == ((ONE,), [1.0])


def test_cost_of_a_read_is_measured_in_cpu_and_in_waiting() -> None:
    def busy(now_s: float) -> list[float]:
        until_s = time.thread_time() + 0.003
        while time.thread_time() < until_s:
            pass
        return [1.0]

    guard = Guard(Plain("dear", busy, ONE), Log().warn)
    for n in range(5):
        guard.read(float(n))
    assert guard.cpu_s >= 0.003
    assert guard.wall_s >= guard.cpu_s * 0.9


def placed(cpu_s: float, wall_s: float, present: str, forced: str = "auto", may_rise: bool = False) -> str:
    sampler = Plain("x", lambda now_s: [1.0], ONE)
    sampler.may_rise = may_rise
    guard = Guard(sampler, Log().warn)
    guard.reads, guard.cpu_s, guard.wall_s = 100, cpu_s, wall_s
    return choose(guard, present, forced, RATES)


def test_placement_follows_speed_cost_and_the_person() -> None:
    assert placed(0.0001, 0.0001, "resource") == "resource"
    assert placed(0.0001, 0.0001, "resource", may_rise=True) == "render", "fast enough for each frame"
    assert placed(0.0001, 0.0008, "resource", may_rise=True) == "resource", "not fast enough to go up"
    assert placed(0.0001, 0.0008, "render", may_rise=True) == "render", "not slow enough to come down"
    assert placed(0.0001, 0.002, "render", may_rise=True) == "resource"
    assert placed(0.005, 0.005, "resource") == "trend", "5 % of a core is too dear for 10 Hz"
    assert placed(0.005, 0.005, "resource", forced="resource") == "resource"


def test_absent_subject_is_asked_for_ever_more_rarely_and_told() -> None:
    tries = 0

    def factory(machine: Machine) -> Sampler:
        nonlocal tries
        tries += 1
        if tries < 4:
            raise Absent("no such bus", "Plug it in")
        return Plain("late", lambda now_s: [1.0], ONE)

    inventory = Inventory(Machine(), [("late", factory)])
    came_at = [second for second in range(300) if inventory.probe(float(second), lambda subject: True)]
    assert came_at == [30 + 60 + 120]
    assert inventory.describe() == {"late": "there"}


def test_subject_that_is_switched_off_is_not_touched() -> None:
    def factory(machine: Machine) -> Sampler:
        raise AssertionError("touched")

    inventory = Inventory(Machine(), [("off", factory)])
    assert inventory.probe(0.0, lambda subject: False) == []
    assert inventory.describe() == {"off": "off"}


def test_factory_of_a_third_party_that_raises_is_told_as_its_fault() -> None:
    def factory(machine: Machine) -> Sampler:
        raise ZeroDivisionError("oops")

    inventory = Inventory(Machine(), [("foreign", factory)])
    inventory.probe(0.0, lambda subject: True)
    assert inventory.describe()["foreign"].startswith("absent: ZeroDivisionError: oops")


@pytest.mark.parametrize("group", ["render", "resource", "trend"])
def test_new_sampler_begins_in_the_group_it_asks_for(group: str) -> None:
    sampler = Plain("x", lambda now_s: [1.0], ONE)
    sampler.group = group
    assert choose(Guard(sampler, Log().warn), "", "auto", RATES) == group
