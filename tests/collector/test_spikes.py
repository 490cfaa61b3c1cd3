"""Spikes: a value that leaves its usual range is told once, with who was running."""

from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.series import Series
from services.collector.assembly import TableRow
from services.collector.processes.board import Board
from services.collector.processes.message import spike_event, spike_title
from services.collector.spikes.usual import MEMORY_S, Left, State, Usual, _rank
from services.collector.spikes.watch import Spike, Watch

SCANS = "collector.sampler.process.enabled"
CPU = Series("system.cpu.percent", "system")


def feed(usual: Usual, values: list[float], from_s: float = 0.0, hz: float = 10.0) -> list[Left]:
    found = (usual.observe(from_s + n / hz, value) for n, value in enumerate(values))
    return [left for left in found if left is not None]


def quiet(seconds: float, level: float = 10.0, swing: float = 3.0, seed: int = 1) -> list[float]:
    dice = random.Random(seed)
    return [level + dice.uniform(-swing, swing) for _ in range(int(seconds * 10))]


def test_sudden_load_is_told_once_with_what_was_usual() -> None:
    usual = Usual(15.0)
    assert feed(usual, quiet(60)) == []
    (left,) = feed(usual, [90.0] * 50, from_s=60.0)
    assert left.since_s == 60.0
    assert left.value == 90.0
    assert 15.0 < left.high < 40.0
    assert usual.state is State.OUT


def test_one_noisy_reading_is_no_spike() -> None:
    usual = Usual(15.0)
    feed(usual, quiet(60))
    assert feed(usual, [95.0, *quiet(0.3), 95.0, 95.0, *quiet(2)], from_s=60.0) == []
    assert usual.state is State.USUAL


def test_nothing_is_told_before_the_range_is_known() -> None:
    usual = Usual(15.0)
    assert feed(usual, [5.0] * 100 + [99.0] * 100) == []
    assert usual.state is State.WARMING


def test_busy_machine_has_a_wide_range() -> None:
    usual = Usual(15.0)
    assert feed(usual, quiet(300, level=55.0, swing=40.0)) == []


def test_new_level_becomes_the_usual_one() -> None:
    usual = Usual(15.0)
    feed(usual, quiet(120))
    assert len(feed(usual, quiet(60, level=70.0), from_s=120.0)) == 1
    assert usual.high > 70.0
    assert usual.state is State.USUAL


def test_wave_of_spikes_is_told_once_in_half_a_minute() -> None:
    usual = Usual(15.0)
    feed(usual, quiet(300))
    wave = ([90.0] * 5 + [10.0] * 30) * 8  # 28 s
    assert len(feed(usual, wave, from_s=300.0)) == 1
    feed(usual, quiet(10), from_s=330.0)
    assert len(feed(usual, [90.0] * 5, from_s=345.0)) == 1


def test_fall_counts_only_where_it_says_something() -> None:
    one_sided, both = Usual(2.0), Usual(2.0, both_sides=True)
    for usual in (one_sided, both):
        feed(usual, quiet(60, level=80.0, swing=0.2))
    assert feed(one_sided, [40.0] * 10, from_s=60.0) == []
    assert len(feed(both, [40.0] * 10, from_s=60.0)) == 1


def test_absent_values_change_nothing() -> None:
    usual = Usual(15.0)
    feed(usual, quiet(60))
    high = usual.high
    assert feed(usual, [math.nan] * 100, from_s=60.0) == []
    assert usual.high == high


@given(
    values=st.lists(st.floats(0.0, 100.0), min_size=31, max_size=700),
    floor=st.sampled_from([2.0, 15.0]),
)
def test_range_is_that_of_the_sorted_last_seconds(values: list[float], floor: float) -> None:
    """Against the obvious way: sort the last 300 means each time."""
    usual = Usual(floor)
    for second, value in enumerate(values):
        usual.observe(float(second), value)
    closed = values[:-1][-MEMORY_S:]  # the second in progress is not in it
    ordered = sorted(closed)
    low, middle, high = (ordered[_rank(share, len(ordered))] for share in (0.05, 0.5, 0.95))
    assert usual.high == pytest.approx(high + max(high - middle, floor))
    assert usual.low == pytest.approx(low - max(middle - low, floor))


def watched(board: Board, scans: bool = True) -> tuple[Watch, list[Spike]]:
    told: list[Spike] = []
    return Watch(board, lambda key, default: scans if key == SCANS else default, told.append), told


def run(watch: Watch, values: list[float], from_s: float, column: Series = CPU) -> None:
    columns = (column,)
    for n, value in enumerate(values):
        watch.observe("resource", from_s + n / 10, [TableRow("system", columns, [value])])


def test_spike_carries_the_processes_of_its_moment() -> None:
    watch, told = watched(Board())
    run(watch, quiet(60), 0.0)
    run(watch, [95.0] * 10, 60.0)
    (spike,) = told
    assert spike.series == CPU
    assert spike.table is not None
    assert spike.table.rows
    assert 0.1 <= spike.table.span_s <= 1.0, "what the rates are averaged over lies in the spike"


def test_spike_without_leave_to_scan_is_told_without_processes() -> None:
    watch, told = watched(Board(), scans=False)
    run(watch, quiet(60), 0.0)
    run(watch, [95.0] * 10, 60.0)
    assert [spike.table for spike in told] == [None]


def test_metric_that_is_not_drawn_is_not_watched() -> None:
    watch, told = watched(Board())
    column = Series("system.uptime_s", "system")
    run(watch, quiet(60), 0.0, column)
    run(watch, [1e9] * 10, 60.0, column)
    assert told == []


def test_busiest_core_is_told_by_its_name() -> None:
    watch, told = watched(Board())
    cores = tuple(Series("system.cpu.core_percent", "system", (("core", str(n)),)) for n in range(4))
    for n, value in enumerate(quiet(60)):
        watch.observe("resource", n / 10, [TableRow("system", cores, [value] * 4)])
    for n in range(10):
        watch.observe("resource", 60.0 + n / 10, [TableRow("system", cores, [5.0, 5.0, 100.0, math.nan])])
    assert [dict(spike.series.labels) for spike in told] == [{"core": "2"}]


def test_storm_of_spikes_is_limited() -> None:
    watch, told = watched(Board(), scans=False)
    columns = tuple(Series("system.net.rx_bytes_s", "system", (("iface", f"if{n}"),)) for n in range(30))
    for n in range(600):
        watch.observe("resource", n / 10, [TableRow("system", columns, [0.0] * 30)])
    for n in range(10):
        watch.observe("resource", 60 + n / 10, [TableRow("system", columns, [1e9] * 30)])
    assert len(told) == 6


def test_title_and_event_say_what_and_by_how_much() -> None:
    series = Series("system.disk.write_bytes_s", "system", (("device", "sda"),))
    spike = Spike(series, Left(12.0, 50 * 2**20, -1.0, 9 * 2**20), None)
    assert (
        spike_title(spike) == "system.disk.write_bytes_s device sda reached 50.0 MiB/s, usually 0.0 MiB/s to 9.0 MiB/s"
    )
    event = spike_event(spike, None, 5, 6)
    assert (event.time_us, event.boot_us, event.spike.value) == (5, 6, 50 * 2**20)
    assert event.spike.usual_low == 0.0
