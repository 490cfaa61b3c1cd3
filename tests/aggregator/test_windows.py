"""Windows against the plain oracle, and the sentences of CONTRACTS §6 one by one."""

from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wfmonitor.v1.sample_pb2 import RateGroup

from services.aggregator.statistics import STATISTICS, statistic, window_us
from services.aggregator.table import RingTable
from services.aggregator.windows import over_table
from tests.aggregator import oracle
from tests.aggregator.tables import CPU, MEMORY, START_US, TICKS, batch

VALUES = st.one_of(st.just(nan), st.floats(-1e6, 1e6), st.integers(0, 5).map(float))


def ring(times_us: list[int], columns: dict, rate_hz: float = 10.0) -> RingTable:
    first = batch(times_us, columns, rate_hz=rate_hz)
    table = RingTable(first.key, rate_hz)
    table.append(first)
    return table


def ask(table: RingTable, g: int, w: int, stat: str) -> list[float]:
    columns = np.arange(len(table.series))
    return over_table(table, columns, g, w, statistic(stat)).tolist()


@given(
    gaps=st.lists(st.integers(1, 700_000), min_size=1, max_size=40),
    data=st.data(),
    stat=st.sampled_from(sorted(STATISTICS)),
    w=st.sampled_from([100_000, 500_000, 1_000_000, 10_000_000]),
    rate_hz=st.sampled_from([1.0, 10.0, 60.0]),
)
@settings(max_examples=600, deadline=None)
def test_every_statistic_equals_the_oracle(gaps, data, stat, w, rate_hz) -> None:
    times = (START_US + np.cumsum(gaps)).tolist()
    columns = {s: data.draw(st.lists(VALUES, min_size=len(times), max_size=len(times))) for s in (CPU, MEMORY)}
    g = data.draw(st.one_of(st.sampled_from(times), st.integers(START_US, times[-1] + 4_000_000)))
    got = ask(ring(times, columns, rate_hz), g, w, stat)
    for value, samples in zip(got, columns.values(), strict=True):
        want = oracle.window(list(zip(times, samples, strict=True)), g, w, stat, rate_hz)
        assert value == pytest.approx(want, rel=1e-6, abs=1e-6, nan_ok=True)


def test_window_is_open_at_its_start_and_closed_at_its_end() -> None:
    table = ring([START_US, START_US + 100_000, START_US + 200_000], {CPU: [1.0, 2.0, 4.0]})
    assert ask(table, START_US + 100_000, 100_000, "sum") == [2.0]
    assert ask(table, START_US + 200_000, 200_000, "sum") == [6.0]


def test_nearest_rank_is_a_sample_even_where_floats_round_up() -> None:
    times = [START_US + 100_000 * n for n in range(20)]
    table = ring(times, {CPU: [float(n) for n in range(1, 21)]})
    assert ask(table, times[-1], 2_000_000, "p95") == [19.0]
    assert ask(table, times[-1], 2_000_000, "p50") == [10.0]


def test_rate_sees_a_reset_of_the_counter() -> None:
    times = [START_US + 1_000_000 * n for n in range(4)]
    table = ring(times, {TICKS: [100.0, 110.0, 5.0, 15.0]}, rate_hz=1.0)
    assert ask(table, times[-1], 10_000_000, "rate") == [pytest.approx(25 / 3)]


def test_newest_sample_older_than_three_periods_is_absent() -> None:
    table = ring([START_US], {CPU: [1.0]}, rate_hz=1.0)
    assert ask(table, START_US + 3_000_000, 10_000_000, "last") == [1.0]
    assert isnan(ask(table, START_US + 3_000_001, 10_000_000, "last")[0])
    fast = ring([START_US], {CPU: [1.0]}, rate_hz=60.0)
    assert ask(fast, START_US + 1_000_000, 10_000_000, "count") == [1.0]
    assert isnan(ask(fast, START_US + 1_000_001, 10_000_000, "count")[0])


def test_an_event_has_no_period_and_counts_wherever_it_lies_in_the_window() -> None:
    happened = batch([START_US], {CPU: [7.0]}, rate_hz=1.0, group=RateGroup.RATE_GROUP_EVENT)
    table = RingTable(happened.key, 1.0)
    table.append(happened)
    assert ask(table, START_US + 299_999_999, 300_000_000, "p95") == [7.0]
    assert isnan(ask(table, START_US + 300_000_000, 300_000_000, "p95")[0])
    assert ask(table, START_US + 60_000_000, 0, "last") == [7.0]
    assert isnan(ask(table, START_US + 300_000_001, 0, "last")[0])


def test_instant_is_the_newest_sample_of_each_series() -> None:
    table = ring([START_US, START_US + 100_000], {CPU: [3.0, 5.0], MEMORY: [7.0, nan]})
    assert ask(table, START_US + 150_000, 0, "avg") == [5.0, 7.0]
    assert ask(table, START_US + 150_000, 0, "count") == [1.0, 1.0]


@pytest.mark.parametrize("step_us", [3_600_000_000, -3_600_000_000, 1_000_000, -1_000_000])
def test_window_does_not_jump_with_the_wall_clock(step_us: int) -> None:
    boot = [1_000_000 + 100_000 * n for n in range(30)]
    wall = [START_US + b + (step_us if n >= 20 else 0) for n, b in enumerate(boot)]
    first = batch(wall, {CPU: [float(n) for n in range(30)]}, boot_us=boot)
    table = RingTable(first.key, 10.0)
    table.append(first)
    assert ask(table, wall[-1], 2_000_000, "count") == [20.0]
    assert ask(table, wall[-1], 2_000_000, "min") == [10.0]


def test_table_without_rows_since_the_step_is_asked_in_its_own_time() -> None:
    boot = [1_000_000 + 1_000_000 * n for n in range(5)]
    first = batch([START_US + b for b in boot], {CPU: [1.0, 2.0, 3.0, 4.0, 5.0]}, boot_us=boot, rate_hz=1.0)
    table = RingTable(first.key, 1.0)
    table.append(first)
    now = START_US + 5_500_000 - 3_600_000_000
    offset = START_US - 3_600_000_000
    assert over_table(table, np.array([0]), now, 10_000_000, statistic("count"), offset_us=offset).tolist() == [5.0]


@pytest.mark.parametrize(
    ("text", "us"),
    [("500ms", 500_000), ("10s", 10_000_000), ("5m", 300_000_000), ("2h", 7_200_000_000), ("instant", 0)],
)
def test_window_lengths(text: str, us: int) -> None:
    assert window_us(text) == us


@pytest.mark.parametrize("text", ["", "10", "s", "-1s", "0s", "1.5s", "10s ", "1d", "٣s", "9999999999s"])
def test_what_is_no_window_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="window"):
        window_us(text)


def test_unknown_statistic_names_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"p97.*p95"):
        statistic("p97")
