"""How fast a model ran in a week, against all its seconds in a list."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.energy.profile import AUTO, LEAST_S, NUMBERS, PROFILES, STANDARD, in_force
from services.aggregator.energy.speeds import DAYS, STATED_ERROR, Histogram, SpeedWeek, percentile

SPEEDS = st.lists(st.floats(0.2, 50_000.0), min_size=1, max_size=200)


def nearest_rank(speeds: list[float], percent: float) -> float:
    return sorted(speeds)[max(math.ceil(len(speeds) * percent / 100.0), 1) - 1]


def histogram(speeds: list[float]) -> Histogram:
    made = Histogram()
    for tps in speeds:
        made.add(tps)
    return made


@settings(deadline=None)
@given(SPEEDS, SPEEDS, st.sampled_from([50.0, 95.0, 99.0]))
def test_a_percentile_of_two_days_is_within_the_stated_error(one: list[float], other: list[float], p: float) -> None:
    found = percentile([histogram(one), histogram(other)], p)
    assert found == pytest.approx(nearest_rank(one + other, p), rel=STATED_ERROR + 1e-9)
    assert STATED_ERROR < 0.022


@given(SPEEDS)
def test_it_comes_back_from_the_file_as_it_was(speeds: list[float]) -> None:
    written = histogram(speeds)
    assert Histogram.from_bytes(written.to_bytes()).counts == written.counts
    assert len(written.to_bytes()) <= 2048


def test_what_is_no_histogram_is_refused() -> None:
    with pytest.raises(ValueError, match="7 bytes"):
        Histogram.from_bytes(b"1234567")


def test_a_second_without_tokens_is_no_speed_and_nothing_is_absent() -> None:
    assert histogram([0.0]).total == 0
    assert math.isnan(percentile([], 95.0))


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0.2, 1000.0)), min_size=1, max_size=60))
def test_only_the_last_seven_days_count(ran: list[tuple[int, float]]) -> None:
    ran.sort()
    week, today = SpeedWeek(), ran[-1][0]
    for day, tps in ran:
        week.add(day, tps)
    late = [tps for day, tps in ran if day > today - DAYS]
    assert week.seconds(today) == len(late)
    assert week.p95(today) == pytest.approx(nearest_rank(late, 95.0), rel=STATED_ERROR + 1e-9)
    assert len(week.days) <= DAYS
    assert week.seconds(today + DAYS) == 0


def test_auto_follows_the_models_own_speed_once_it_is_known_and_says_so() -> None:
    week = SpeedWeek()
    first = in_force(AUTO, week, 0, STANDARD)
    assert (first.name, first.tps_max) == (AUTO, STANDARD.tps_max)
    for _ in range(LEAST_S):
        week.add(0, 60.0)
    found = in_force(AUTO, week, 0, first)
    assert found.tps_max == pytest.approx(60.0, rel=STATED_ERROR)
    assert found.burst_tps == pytest.approx(36.0, rel=STATED_ERROR)
    assert (found.stall_ms, found.alpha) == (STANDARD.stall_ms, STANDARD.alpha)
    for _ in range(LEAST_S):
        week.add(0, 61.0)
    assert in_force(AUTO, week, 0, found) is found, "what moved by less than 5 % changes nothing"
    for _ in range(LEAST_S):
        week.add(1, 90.0)
    assert in_force(AUTO, week, 1, found).tps_max == pytest.approx(90.0, rel=STATED_ERROR)


def test_a_named_profile_is_what_it_is_called() -> None:
    assert {name: in_force(name, SpeedWeek(), 0, STANDARD) for name in PROFILES} == PROFILES
    assert set(NUMBERS) == {*PROFILES, AUTO}
