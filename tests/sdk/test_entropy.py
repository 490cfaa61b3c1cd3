"""Entropy of a token from what its candidates tell: within its bounds, against whole distributions."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wirthforge_probe import _measure

from services.tap.entropy import measure as tap_measure

weights = st.lists(st.floats(1e-9, 1.0), min_size=2, max_size=60)


def exact_bits(distribution: list[float]) -> float:
    return -math.fsum(p * math.log2(p) for p in distribution if p > 0)


def normal(raw: list[float]) -> list[float]:
    total = math.fsum(raw)
    return sorted((one / total for one in raw), reverse=True)


@given(weights, st.integers(1, 60))
def test_the_exact_entropy_lies_within_the_bounds(raw: list[float], k: int) -> None:
    whole = normal(raw)
    measured = _measure(whole[:k], vocabulary=len(whole))
    if measured is None:
        assert whole[0] == 1.0
        return
    exact = exact_bits(whole)
    assert measured.low_bits - 1e-9 <= exact <= measured.high_bits + 1e-9
    assert (measured.bits is None) == (math.fsum(whole[:k]) < 0.9)
    assert 0.0 <= measured.certainty <= 1.0


@given(weights, st.integers(2, 20))
def test_it_agrees_with_the_tap(raw: list[float], k: int) -> None:
    top = normal(raw)[:k]
    ours = _measure(top, vocabulary=2**19)
    theirs = tap_measure([math.log(p) for p in top])
    assert (ours is None) == (theirs is None)
    if ours is not None and theirs is not None:
        assert (ours.low_bits, ours.high_bits, ours.certainty, ours.mass) == pytest.approx(tuple(theirs)[1:], abs=1e-6)


def test_logarithms_and_probabilities_are_told_apart() -> None:
    top = [0.6, 0.3, 0.05]
    assert _measure(top, 100) == pytest.approx(_measure([math.log(p) for p in top], 100))


def test_a_uniform_distribution_has_no_certainty_and_all_its_bits() -> None:
    measured = _measure([0.25] * 4, 4)
    assert measured == (2.0, 2.0, 2.0, 0.0, 1.0)


@pytest.mark.parametrize("topk", [[], [1.0], [0.0], [1.0, 0.0], [math.nan], [0.5, -0.5], [0.9, 0.9], [2.0], [0.0, 0.0]])
def test_what_is_no_distribution_is_not_measured(topk: list[float]) -> None:
    assert _measure(topk, 100) is None


def test_a_tail_that_is_not_seen_leaves_no_point_value() -> None:
    measured = _measure([0.5, 0.1], 1000)
    assert measured is not None
    assert measured.bits is None
    assert measured.low_bits < measured.high_bits
