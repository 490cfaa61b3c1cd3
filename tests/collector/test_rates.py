"""Counters into rates, against the plain sum; spans that do not depend on how often one reads."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.rates import Rates, Trail


@given(steps=st.lists(st.tuples(st.floats(0.001, 5.0), st.integers(0, 10**12)), min_size=1, max_size=50))
def test_rates_times_spans_are_what_was_counted(steps: list[tuple[float, int]]) -> None:
    rates, now_s, counter, sum_of_rates = Rates(), 100.0, 7, 0.0
    assert math.isnan(rates.update(now_s, [counter])[0])
    for span_s, increase in steps:
        now_s += span_s
        counter += increase
        (rate,) = rates.update(now_s, [counter])
        assert rate >= 0.0
        sum_of_rates += rate * span_s
    assert sum_of_rates == pytest.approx(counter - 7, rel=1e-9, abs=1e-6 * len(steps))


def test_counter_that_fell_is_absent_and_not_negative() -> None:
    rates = Rates()
    rates.update(1.0, [1000, 5])
    fell, grew = rates.update(2.0, [10, 6])
    assert math.isnan(fell)
    assert grew == 1.0
    assert rates.update(3.0, [20, 6]) == [10.0, 0.0]


@given(readings=st.lists(st.lists(st.integers(0, 2**63), min_size=3, max_size=3), min_size=2, max_size=20))
def test_no_rate_is_ever_negative_however_counters_jump(readings: list[list[int]]) -> None:
    rates = Rates()
    for second, counters in enumerate(readings):
        assert not any(rate < 0.0 for rate in rates.update(float(second), counters))


def test_two_readings_at_one_time_are_no_span() -> None:
    rates = Rates()
    rates.update(1.0, [1])
    assert math.isnan(rates.update(1.0, [2])[0])


@given(rate_hz=st.floats(1.0, 240.0), span_s=st.sampled_from([0.1, 1.0, 10.0]))
def test_span_is_long_enough_and_not_much_longer(rate_hz: float, span_s: float) -> None:
    trail = Trail(span_s)
    period_s = 1.0 / rate_hz
    for n in range(int(3 * span_s * rate_hz) + 5):
        found = trail.update(n * period_s, (n,))
        if found is not None:
            age_s, (then,) = found
            assert age_s >= 0.9 * span_s - 1e-9
            assert age_s <= max(0.9 * span_s, 0.0) + period_s + 1e-9
            assert then == pytest.approx(n - age_s * rate_hz, abs=1e-6)
