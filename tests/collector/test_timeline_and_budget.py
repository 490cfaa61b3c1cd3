"""Clock steps and sleep told apart; rates that fall with the cost and rise again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.budget import SLOWEST, Budget
from services.collector.timeline import ClockStep, Instant, Sleep, Timeline

S = 1_000_000


def after(timeline: Timeline, *, wall: float, boot: float, monotonic: float) -> list[ClockStep | Sleep]:
    """What is found when the clocks have moved by so many seconds."""
    timeline.observe(Instant(1_700_000_000 * S, 5000 * S, 4000 * S))
    return timeline.observe(
        Instant(1_700_000_000 * S + round(wall * S), 5000 * S + round(boot * S), 4000 * S + round(monotonic * S))
    )


def test_first_look_and_a_quiet_second_tell_nothing() -> None:
    assert after(Timeline(), wall=1.0, boot=1.0, monotonic=1.0) == []


@pytest.mark.parametrize("by_s", [3600.0, -3600.0, 0.6, -0.6])
def test_wall_clock_that_was_set_is_a_step(by_s: float) -> None:
    assert after(Timeline(), wall=1.0 + by_s, boot=1.0, monotonic=1.0) == [ClockStep(round(by_s * S))]


def test_half_a_second_is_no_step() -> None:
    assert after(Timeline(), wall=1.5, boot=1.0, monotonic=1.0) == []


def test_suspend_is_sleep_and_no_step() -> None:
    found = after(Timeline(), wall=601.0, boot=601.0, monotonic=1.0)
    assert found == [Sleep(1_700_000_000 * S, 5000 * S, 600 * S)]


def test_clock_that_was_set_during_sleep_is_both() -> None:
    found = after(Timeline(), wall=605.0, boot=601.0, monotonic=1.0)
    assert found == [Sleep(1_700_000_000 * S, 5000 * S, 600 * S), ClockStep(4 * S)]


@given(drifts=st.lists(st.floats(-0.0005, 0.0005), max_size=500))
def test_clock_that_is_slewed_is_no_step(drifts: list[float]) -> None:
    timeline, wall_us = Timeline(), 1_700_000_000 * S
    for n, drift in enumerate(drifts):
        wall_us += round((1.0 + drift) * S)
        assert timeline.observe(Instant(wall_us, n * S, n * S)) == []


def spend(budget: Budget, percent_of_machine: float, seconds: int, from_s: int = 0, cores: int = 4) -> list[int]:
    """The divisor at each second while so much is used."""
    seen = []
    for second in range(from_s, from_s + seconds):
        budget.observe(float(second), second * percent_of_machine / 100.0 * cores)
        seen.append(budget.divisor)
    return seen


def test_rates_fall_while_the_cost_is_above_the_budget() -> None:
    seen = spend(Budget(2.0, 4), 3.0, 61)
    assert seen[19] == 1  # one dear check may be the start
    assert seen[20] == 2
    assert seen[40] == 4
    assert seen[60] == 8


def test_rates_have_a_floor() -> None:
    assert max(spend(Budget(2.0, 4), 50.0, 1000)) == SLOWEST


def test_rates_rise_only_after_an_easy_minute() -> None:
    budget = Budget(2.0, 4)
    spend(budget, 3.0, 21)
    assert budget.divisor == 2
    budget._checked = (21.0, 21 * 0.1 / 100 * 4)  # what follows is cheap
    seen = spend(budget, 0.1, 200, from_s=22)
    assert seen[50] == 2
    assert seen[-1] == 1


def test_rates_stay_where_the_cost_is_near_the_budget() -> None:
    budget = Budget(2.0, 4)
    budget.divisor = 4
    assert set(spend(budget, 1.5, 300)) == {4}


def test_cost_is_told_in_percent_of_the_machine() -> None:
    budget = Budget(2.0, 4)
    spend(budget, 1.0, 30)
    assert budget.cost_percent == pytest.approx(1.0)
