"""Counters over time: rates, restarts, and counters that move only now and then."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.runtime.histogram import Histogram
from services.collector.runtime.past import Past


def past(*readings: tuple[float, float], life: str = "") -> Past:
    made = Past()
    for now_s, value in readings:
        made.add(now_s, {"n": value}, life=life)
    return made


def test_first_reading_says_nothing() -> None:
    one = past((0.0, 100.0))
    assert math.isnan(one.rate("n"))
    assert math.isnan(one.lately("n"))
    assert math.isnan(one.rate("other"))


def test_rate_is_of_the_last_two_readings_and_lately_of_the_last_minute() -> None:
    made = past(*((2.0 * i, 10.0 * i) for i in range(100)))
    assert made.rate("n") == 5.0
    assert 295.0 <= made.lately("n") <= 310.0


def test_fallen_counter_begins_anew() -> None:
    made = past((0.0, 100.0), (2.0, 120.0), (4.0, 5.0))
    assert math.isnan(made.step("n"))
    made.add(6.0, {"n": 9.0})
    assert made.rate("n") == 2.0
    assert made.lately("n") == 4.0


def test_another_life_begins_anew_even_where_the_counter_grew() -> None:
    made = past((0.0, 100.0), life="171")
    made.add(2.0, {"n": 900.0}, life="404")
    assert math.isnan(made.step("n"))


def test_pace_is_taken_between_two_moves() -> None:
    made = past((0.0, 0.0), (2.0, 0.0), (4.0, 40.0), (6.0, 40.0), (8.0, 40.0), (10.0, 100.0))
    assert made.pace("n") == 10.0
    made.add(12.0, {"n": 100.0})
    assert math.isnan(made.pace("n"))


def test_what_appeared_since_is_counted_from_where_it_is_known() -> None:
    made = Past()
    made.add(0.0, {"queries": 0.0})
    for i in range(1, 30):
        counted = Histogram((0.1, math.inf), (float(i), float(i)), 0.05 * i)
        made.add(2.0 * i, {"queries": 10.0 * i, "hits": 5.0 * i}, {"ttft": counted})
        if i > 1:
            assert made.histogram("ttft") == Histogram(
                (0.1, math.inf), (i - 1.0, i - 1.0), pytest.approx(0.05 * (i - 1))
            )
            assert made.lately("hits") == 5.0 * (i - 1)
            assert made.ratio("hits", "queries") == 0.5, "both over the same seconds"
        else:
            assert made.histogram("ttft") is None
            assert math.isnan(made.ratio("hits", "queries"))
    made.add(60.0, {"queries": 400.0})
    assert made.histogram("ttft") is None
    assert math.isnan(made.ratio("hits", "queries"))


@given(st.lists(st.integers(0, 50), min_size=2, max_size=50), st.sets(st.integers(1, 48), max_size=4))
def test_increase_never_counts_across_a_restart(increments: list[int], restarts: set[int]) -> None:
    made, value, true = Past(1e9), 0.0, 0.0
    for i, more in enumerate(increments):
        if i in restarts:
            value = true = 0.0
            made.add(float(i), {"n": value}, life=str(i))
            continue
        value += more
        true = true + more if i else 0.0
        life = str(max((r for r in restarts if r <= i), default=0))
        made.add(float(i), {"n": value}, life=life)
    told = made.lately("n")
    assert math.isnan(told) or told == true
