"""Entropy from top-k against the whole distribution it was taken from."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tap.entropy import certainty, measure

logits = st.lists(st.floats(-12, 12), min_size=2, max_size=60)


def softmax(values: list[float]) -> list[float]:
    """The oracle's whole distribution, likeliest first."""
    largest = max(values)
    weights = [math.exp(value - largest) for value in values]
    total = math.fsum(weights)
    return sorted((weight / total for weight in weights), reverse=True)


def bits_of(probabilities: list[float]) -> float:
    return -math.fsum(p * math.log2(p) for p in probabilities if p > 0)


@given(values=logits, k=st.integers(1, 20), extra=st.integers(0, 1000))
def test_the_true_entropy_lies_within_the_bounds(values: list[float], k: int, extra: int) -> None:
    whole = softmax(values)
    found = measure([math.log(p) for p in whole[:k]], vocabulary=len(whole) + extra)
    if found is None:  # one token has all the mass: as speculative decoding reports it
        assert whole[0] == 1.0
        return
    assert found.low_bits - 1e-6 <= bits_of(whole) <= found.high_bits + 1e-6
    assert found.mass == pytest.approx(math.fsum(whole[:k]))
    if not math.isnan(found.bits):
        assert found.mass >= 0.9 - 1e-9
        assert found.low_bits <= found.bits <= found.high_bits


@given(values=logits, k=st.integers(1, 10), place=st.integers(0, 59))
def test_a_sampled_token_outside_the_top_narrows_and_never_excludes(values: list[float], k: int, place: int) -> None:
    whole = softmax(values)
    if not k <= place < len(whole) or whole[place] <= 0.0:
        return
    top = [math.log(p) for p in whole[:k]]
    plain = measure(top, vocabulary=len(whole))
    folded = measure(top, math.log(whole[place]), False, vocabulary=len(whole))
    if plain is None or folded is None:
        return
    assert folded.low_bits - 1e-6 <= bits_of(whole) <= folded.high_bits + 1e-6
    assert folded.certainty == plain.certainty
    assert folded.mass == pytest.approx(min(plain.mass + whole[place], 1.0)), "the bounds are of this mass"


@given(values=logits)
def test_certainty_is_within_0_and_1_and_1_for_one_candidate(values: list[float]) -> None:
    assert 0.0 <= certainty(softmax(values)) <= 1.0
    assert certainty([0.4]) == 1.0


def test_equal_candidates_have_certainty_0_and_their_entropy() -> None:
    found = measure([math.log(0.25)] * 4, vocabulary=4)
    assert found is not None
    assert found.certainty == pytest.approx(0.0)
    assert found.bits == pytest.approx(2.0)


@pytest.mark.parametrize("top", [[0.0], [0.0, -math.inf], [0.0, -9999.0], [], [math.nan], [1.0], [-math.inf]])
def test_what_is_no_distribution_is_not_an_entropy_of_0(top: list[float]) -> None:
    assert measure(top) is None


def test_below_the_mass_of_09_there_are_bounds_but_no_point() -> None:
    found = measure([math.log(0.5), math.log(0.3)])
    assert found is not None
    assert math.isnan(found.bits)
    assert found.low_bits < found.high_bits


@given(values=logits, k=st.integers(1, 20), place=st.integers(0, 100))
def test_a_sampled_token_listed_beside_the_top_says_nothing_of_the_tail(
    values: list[float], k: int, place: int
) -> None:
    whole = softmax(values)
    taken = whole[place % len(whole)]
    listed = [*whole[:k], taken] if place % len(whole) >= k else whole[:k]
    found = measure([math.log(p) for p in listed], math.log(taken), vocabulary=len(whole))
    if found is not None:
        assert found.low_bits - 1e-9 <= bits_of(whole) <= found.high_bits + 1e-9


@given(values=logits, k=st.integers(2, 20), hidden=st.integers(0, 100))
def test_candidates_that_hide_one_another_leave_the_bounds_true(values: list[float], k: int, hidden: int) -> None:
    whole = softmax(values)
    listed = whole[:k]
    del listed[hidden % len(listed)]
    if listed and (found := measure([math.log(p) for p in listed], vocabulary=len(whole), told_apart=False)):
        assert found.low_bits - 1e-9 <= bits_of(whole) <= found.high_bits + 1e-9
