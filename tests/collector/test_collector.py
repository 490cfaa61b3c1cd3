"""The collector whole, with samplers made for the occasion: settings, cost, placement, what it says."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence

import pytest

from bus.series import Series
from services.collector.assembly import TableRow
from services.collector.collector import Collector
from services.collector.sampler import Absent, Factory, Machine

LOAD = Series("system.load1", "system")


class Voice:
    """Keeps what the collector says."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, str]]] = []
        self.warnings: list[str] = []
        self.reason: str | None = None

    def event(self, kind: str, source: str, title: str, **attributes: str) -> None:
        self.events.append((kind, attributes))

    def event_at(self, time_us: int, boot_us: int, kind: str, source: str, title: str) -> None:
        self.events.append((kind, {"time_us": str(time_us)}))

    def warn(self, text: str, sampler: str, error: str) -> None:
        self.warnings.append(text)

    def degraded(self, reason: str | None) -> None:
        self.reason = reason


class Rows:
    """Keeps what the collector writes, and waits for it."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, float, TableRow]] = []
        self.changed = threading.Condition()

    def write(self, group: str, rate_hz: float, row: TableRow, time_us: int, boot_us: int, more: bool) -> None:
        with self.changed:
            self.seen.append((group, rate_hz, row))
            self.changed.notify_all()

    def wait(self, wanted: Callable[[tuple[str, float, TableRow]], bool]) -> None:
        with self.changed:
            start = len(self.seen)
            assert self.changed.wait_for(lambda: any(wanted(row) for row in self.seen[start:]), 60.0)


class Steady:
    """A sampler that always answers 1."""

    may_rise = False
    made = 0
    rested = 0

    def __init__(self, machine: Machine) -> None:
        type(self).made += 1
        self.name = "steady"
        self.group = "resource"

    def columns(self) -> tuple[Series, ...]:
        return COLUMNS

    def read(self, now_s: float) -> Sequence[float]:
        return [1.0]

    def rest(self) -> None:
        type(self).rested += 1


COLUMNS = (LOAD,)


class Fast(Steady):
    """One that may go up to the frames."""

    may_rise = True


def missing(machine: Machine) -> Steady:
    raise Absent("no such thing", "Buy one")


@pytest.fixture
def settings() -> dict[str, object]:
    return {}


@pytest.fixture
def voice() -> Voice:
    return Voice()


@pytest.fixture
def rows() -> Rows:
    return Rows()


Make = Callable[[list[tuple[str, Factory]]], Collector]


@pytest.fixture
def make(settings: dict[str, object], voice: Voice, rows: Rows) -> Iterator[Make]:
    made: list[Collector] = []

    def collector(factories: list[tuple[str, Factory]]) -> Collector:
        made.append(Collector(Machine(), factories, settings.get, rows.write, voice))
        return made[-1]

    yield collector
    for one in made:
        one.stop()


def in_group(name: str) -> Callable[[tuple[str, float, TableRow]], bool]:
    return lambda seen: seen[0] == name and LOAD in seen[2].columns


def test_thread_of_a_group_runs_only_while_a_sampler_lives_in_it(make: Make, settings: dict[str, object]) -> None:
    collector = make([("steady", Steady)])
    collector.start()
    assert {thread.name for thread in threading.enumerate()} & {"tick-render", "tick-resource"} == {"tick-resource"}
    settings["collector.sampler.steady.enabled"] = False
    collector.house(time.monotonic())
    assert not {thread.name for thread in threading.enumerate()} & {"tick-render", "tick-resource"}


def test_switched_off_sampler_rests_and_begins_anew(make: Make, settings: dict[str, object], rows: Rows) -> None:
    Steady.made = Steady.rested = 0
    collector = make([("steady", Steady)])
    collector.start()
    rows.wait(in_group("resource"))
    settings["collector.sampler.steady.enabled"] = False
    collector.house(time.monotonic())
    assert (Steady.made, Steady.rested) == (1, 1)
    settings["collector.sampler.steady.enabled"] = True
    collector.settings_changed()
    rows.wait(in_group("resource"))
    assert Steady.made == 2


def test_changed_rate_stands_in_the_next_rows(make: Make, settings: dict[str, object], rows: Rows) -> None:
    collector = make([("steady", Steady)])
    collector.start()
    settings["collector.rate.resource_hz"] = 40.0
    collector.settings_changed()
    rows.wait(lambda seen: seen[1] == 40.0)


def test_fast_sampler_goes_up_to_the_frames_and_a_person_may_hold_it_down(
    make: Make, settings: dict[str, object], rows: Rows
) -> None:
    collector = make([("steady", Fast)])
    settings["collector.rate.resource_hz"] = 60.0  # the twenty readings of a judgement come sooner
    collector.start()
    rows.wait(in_group("render"))
    settings["collector.sampler.steady.group"] = "trend"
    collector.settings_changed()
    rows.wait(in_group("trend"))


def test_cost_above_the_budget_lowers_the_rates_and_says_so(
    make: Make, settings: dict[str, object], voice: Voice
) -> None:
    settings["collector.budget_percent"] = 1e-9
    collector = make([("steady", Steady)])
    now_s = time.monotonic()
    collector.house(now_s)
    for later_s in (11.0, 22.0):
        sum(range(100_000))  # some CPU time between the looks
        collector.house(now_s + later_s)
    assert collector.groups["resource", ""].pace.rate_hz == 5.0
    assert collector.groups["trend", ""].pace.rate_hz == 1.0
    assert voice.reason is not None
    assert "Raise collector.budget_percent" in voice.reason
    assert "rates" in [kind for kind, _ in voice.events]


def test_inventory_is_told_at_the_start_and_when_it_changes(
    make: Make, settings: dict[str, object], voice: Voice
) -> None:
    collector = make([("steady", Steady), ("thing", missing)])
    collector.house(1.0)
    collector.house(2.0)
    told = [attributes for kind, attributes in voice.events if kind == "inventory"]
    assert told == [{"steady": "there", "thing": "absent: no such thing. Buy one"}]
    settings["collector.sampler.steady.enabled"] = False
    collector.house(3.0)
    assert voice.events[-1][1]["steady"] == "off"


def test_driver_that_hangs_holds_up_only_its_own_lane(make: Make, settings: dict[str, object], rows: Rows) -> None:
    release = threading.Event()

    class Hanging(Steady):
        lane = "driver"

        def read(self, now_s: float) -> Sequence[float]:
            release.wait(20.0)
            return [1.0]

        def rest(self) -> None:
            rested.set()

    rested = threading.Event()
    collector = make([("hanging", Hanging), ("steady", Steady)])
    collector.start()
    for _ in range(5):
        rows.wait(in_group("resource"))
    settings["collector.sampler.hanging.enabled"] = False
    collector.house(time.monotonic())
    assert not rested.is_set(), "who still reads may not be let go"
    settings["collector.rate.resource_hz"] = 20.0
    collector.house(time.monotonic())
    rows.wait(lambda seen: seen[1] == 20.0)
    release.set()
    assert rested.wait(30.0)


def test_row_that_cannot_be_written_does_not_end_the_thread(settings: dict[str, object], voice: Voice) -> None:
    tries, enough = [0], threading.Event()

    def write(group: str, rate_hz: float, row: TableRow, time_us: int, boot_us: int, more: bool) -> None:
        tries[0] += 1
        if tries[0] > 4:
            enough.set()
        raise OSError(28, "No space left on device")

    collector = Collector(Machine(), [("steady", Steady)], settings.get, write, voice)
    collector.start()
    assert enough.wait(30.0)
    collector.stop()
    assert voice.warnings[0].startswith("rows of tick-")


class Elsewhere(Steady):
    """Another table of the same group."""

    def columns(self) -> tuple[Series, ...]:
        return (Series("gpu.power_w", "gpu:0"),)


def test_only_the_last_row_of_a_tick_says_that_it_is_the_last(settings: dict[str, object], voice: Voice) -> None:
    ticks: dict[int, list[tuple[str, bool]]] = {}
    enough = threading.Event()

    def write(group: str, rate_hz: float, row: TableRow, time_us: int, boot_us: int, more: bool) -> None:
        if group == "resource":
            ticks.setdefault(boot_us, []).append((row.source, more))
            if len(ticks) > 3:
                enough.set()

    collector = Collector(Machine(), [("steady", Steady), ("elsewhere", Elsewhere)], settings.get, write, voice)
    collector.start()
    assert enough.wait(30.0)
    collector.stop()
    whole = list(ticks.values())[1:3]
    assert all([more for _, more in rows] == [True, False] for rows in whole)


def test_own_figures_are_there_without_any_sampler(make: Make, rows: Rows) -> None:
    make([]).start()
    rows.wait(lambda seen: "monitor.tick_jitter_ms" in {series.metric for series in seen[2].columns})
