"""The mean energy of a request against the sum over a fine grid."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.energy.board import Board
from services.aggregator.energy.energy import Energy
from services.aggregator.energy.means import EnergyMeans
from services.aggregator.energy.profile import STANDARD
from tests.aggregator.energy.test_board import tokens

STEP_S = 0.002


def on_a_grid(arrivals: list[float], first_s: float, last_s: float) -> float:
    """Mean of E over [first, last], by midpoints of a fine grid."""
    energy, at, total = Energy(STANDARD), 0, 0.0
    steps = max(round((last_s - first_s) / STEP_S), 1)
    for step in range(steps):
        now_s = first_s + (step + 0.5) * (last_s - first_s) / steps
        while at < len(arrivals) and arrivals[at] <= now_s:
            energy.token(arrivals[at])
            at += 1
        total += energy.at(now_s)
    return total / steps


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(0.02, 1.2), st.booleans()), min_size=2, max_size=25))
def test_it_is_the_mean_over_the_request_and_not_over_others(gaps: list[tuple[float, bool]]) -> None:
    board, now_s, arrivals, mine = Board(), 10.0, [], []
    for gap, is_mine in gaps:
        now_s += gap
        arrivals.append(now_s)
        board.take(tokens("m", "mine" if is_mine else "other", [now_s]), now_s)
        if is_mine:
            mine.append(now_s)
    mean = board.energy_mean("mine")
    if not mine:
        assert mean is None
    elif len(mine) > 1:
        assert mean == pytest.approx(on_a_grid(arrivals, mine[0], mine[-1]), abs=0.01)
        assert 0.0 <= mean <= 1.0


def test_of_one_token_it_is_the_energy_after_it_and_of_none_absent() -> None:
    board = Board()
    board.take(tokens("m", "r", [1.0]), 1.0)
    assert board.energy_mean("r") == pytest.approx(STANDARD.alpha * (0.7 / 20 + 0.3))
    assert board.energy_mean("unheard of") is None


def test_it_remembers_the_newest_and_no_more() -> None:
    means = EnergyMeans(most=2)
    for request in "abc":
        means.token(request, 1.0, 0.0, 0.5)
    assert means.mean("a") is None
    assert not math.isnan(means.mean("b") or math.nan)
    means.token("b", 2.0, 0.5, 0.5)
    means.token("d", 2.0, 0.0, 0.5)
    assert means.mean("c") is None, "the one without a token for longest goes"
