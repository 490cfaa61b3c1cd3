"""The monotonic grid: never a burst, every late and every missed tick counted."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.pace import Pace


def test_tick_is_taken_once_and_not_before_its_time() -> None:
    pace = Pace(10.0, 100.0)
    assert pace.take(100.05) is None
    tick = pace.take(100.102)
    assert tick is not None
    assert tick.due_s == pytest.approx(100.1)
    assert tick.late_s == pytest.approx(0.002)
    assert pace.take(100.103) is None


def test_long_tick_leaves_points_out_and_counts_them() -> None:
    pace = Pace(10.0, 0.0)
    assert pace.take(0.1) is not None
    tick = pace.take(0.56)  # 0.2, 0.3 and 0.4 were due as well
    assert tick is not None
    assert tick.due_s == pytest.approx(0.5)
    assert pace.missed == 3
    assert pace.take(0.57) is None
    assert pace.due_s == pytest.approx(0.6)


@given(
    rate_hz=st.floats(0.5, 240.0),
    steps_s=st.lists(st.floats(0.0, 0.7), min_size=1, max_size=200),
)
def test_ticks_and_missed_ones_are_the_grid_points_passed(rate_hz: float, steps_s: list[float]) -> None:
    pace = Pace(rate_hz, 0.0)
    now_s, taken, last_due_s = 0.0, 0, -math.inf
    for step_s in steps_s:
        now_s += step_s
        tick = pace.take(now_s)
        if tick is not None:
            taken += 1
            assert tick.due_s > last_due_s
            assert -1e-9 <= tick.late_s < 1.0 / rate_hz + 1e-6
            assert pace.take(now_s) is None, "one look gives one tick"
            last_due_s = tick.due_s
    passed = math.floor(now_s * rate_hz + 1e-9)
    assert taken + pace.missed == pytest.approx(passed, abs=1)


@given(rate_hz=st.floats(0.05, 240.0), now_s=st.floats(0.0, 1e6), phase_s=st.sampled_from([0.0, 0.05]))
def test_another_rate_begins_without_a_burst(rate_hz: float, now_s: float, phase_s: float) -> None:
    pace = Pace(7.0, 0.0)
    pace.retime(rate_hz, now_s, phase_s)
    assert pace.missed == 0
    assert now_s - 1e-6 < pace.due_s <= now_s + 1.0 / rate_hz + 1e-6


def test_grids_of_different_rates_share_their_points() -> None:
    fast, slow = Pace.anchored(60.0, 12.34), Pace.anchored(10.0, 12.34)
    fast_points = set()
    for _ in range(120):
        fast_points.add(round(fast.due_s, 6))
        assert fast.take(fast.due_s) is not None
    for _ in range(10):
        assert round(slow.due_s, 6) in fast_points
        assert slow.take(slow.due_s) is not None


def test_jitter_is_the_nearest_rank_of_the_last_second() -> None:
    pace = Pace(100.0, 0.0)
    for n in range(1, 101):
        assert pace.take(n / 100 + (0.004 if n == 100 else 0.003 if n == 99 else 0.001)) is not None
    assert pace.jitter_s(1.004) == pytest.approx(0.003)
    assert math.isnan(pace.jitter_s(5.0))
