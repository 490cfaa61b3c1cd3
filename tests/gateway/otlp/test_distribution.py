"""Quantiles of buckets against the values themselves; sums and differences against counting anew."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.otlp.distribution import (
    Explicit,
    Exponential,
    Malformed,
    at_most,
    difference,
    mean,
    quantile,
    together,
)
from tests.gateway.otlp.messages import SECONDS, counted

VALUES = st.lists(st.floats(0.0001, 200.0), min_size=1, max_size=60)
QS = st.floats(0.01, 0.99)


def explicit(values: list[float]) -> Explicit:
    return Explicit(SECONDS, tuple(counted(values, SECONDS)), len(values), math.fsum(values))


def exponential(values: list[float], scale: int = 2) -> Exponential:
    """Bucket by bucket: the one whose bounds hold the value."""
    buckets: dict[int, int] = {}

    def bound(index: int) -> float:
        return float(2.0 ** (index * 2.0**-scale))

    for value in values:
        index = math.ceil(math.log2(value) * 2.0**scale) - 1
        while value > bound(index + 1):  # the logarithm may miss by a rounding
            index += 1
        while value <= bound(index):
            index -= 1
        buckets[index] = buckets.get(index, 0) + 1
    return Exponential(scale, buckets, {}, 0, len(values), math.fsum(values))


def rank_off(values: list[float], value: float, q: float) -> float:
    """How far q lies from the ranks that `value` has among the values."""
    ordered = sorted(values)
    low, high = bisect_left(ordered, value) / len(values), bisect_right(ordered, value) / len(values)
    return max(0.0, low - q, q - high)


@given(VALUES, QS)
def test_a_quantile_is_within_its_stated_rank_error(values: list[float], q: float) -> None:
    for made in (explicit(values), exponential(values)):
        found = quantile(made.steps(), q)
        assert rank_off(values, found.value, q) <= found.rank_error + 1e-9
        assert found.rank_error <= 1.0


@given(VALUES, VALUES, QS)
def test_what_the_sender_knows_of_its_extremes_only_narrows(old: list[float], new: list[float], q: float) -> None:
    def told(values: list[float]) -> Explicit:
        return replace(explicit(values), least=min(values), most=max(values))

    grown = difference(told(old + new), told(old))
    assert grown is not None
    both = together(told(old), told(new))
    assert both is not None
    for made, values in ((grown, new), (both, old + new)):
        found = quantile(made.steps(), q)
        assert min(old + new) <= found.value <= max(old + new)
        assert rank_off(values, found.value, q) <= found.rank_error + 1e-9


@given(VALUES, QS)
def test_no_quantile_contradicts_the_mean(values: list[float], q: float) -> None:
    made = explicit(values)
    steps = made.steps()
    most = at_most(steps, mean(made), q)
    ordered = sorted(values)
    assert ordered[math.ceil(q * len(ordered)) - 1] <= most * (1 + 1e-9)
    found = quantile(steps, q, most)
    assert rank_off(values, found.value, q) <= found.rank_error + 1e-9
    assert found.value <= quantile(steps, q).value


def test_extremes_that_contradict_the_buckets_are_not_believed() -> None:
    lying = replace(explicit([0.3, 0.3]), least=7.0, most=9.0)
    assert 0.16 <= quantile(lying.steps(), 0.5).value <= 0.32


@given(VALUES, VALUES, st.integers(-2, 4), st.integers(-2, 4))
def test_what_came_between_is_what_was_counted_between(old: list[float], new: list[float], a: int, b: int) -> None:
    grown = difference(explicit(old + new), explicit(old))
    assert isinstance(grown, Explicit)
    assert grown.counts == explicit(new).counts
    finer = difference(exponential(old + new, a), exponential(old, b))
    assert isinstance(finer, Exponential)
    assert dict(finer.positive) == dict(exponential(new, max(a, b)).at(min(a, b)).positive)


@given(VALUES, VALUES, st.integers(-2, 4), st.integers(-2, 4))
def test_two_streams_together_are_all_their_values(one: list[float], two: list[float], a: int, b: int) -> None:
    both = together(exponential(one, a), exponential(two, b))
    assert isinstance(both, Exponential)
    assert both.count == len(one) + len(two)
    assert sum(both.positive.values()) == both.count
    whole = together(explicit(one), explicit(two))
    assert isinstance(whole, Explicit)
    assert whole.counts == explicit(one + two).counts


def test_a_counter_that_fell_has_no_difference() -> None:
    assert difference(explicit([0.1]), explicit([0.1, 0.2])) is None
    assert difference(exponential([0.1]), exponential([0.1, 0.2])) is None
    assert difference(exponential([0.1, 0.2]), explicit([0.1])) is None


def test_above_the_last_bound_nothing_is_known_but_that() -> None:
    found = quantile(explicit([100.0, 500.0]).steps(), 0.5)
    assert found == (SECONDS[-1], 0.5)


def test_nothing_counted_has_no_quantile() -> None:
    assert math.isnan(quantile(Explicit((1.0,), (0, 0), 0, 0.0).steps(), 0.5).value)


@pytest.mark.parametrize(
    ("bounds", "counts", "count"),
    [
        ((1.0, 1.0), (0, 0, 1), 1),
        ((2.0, 1.0), (0, 0, 1), 1),
        ((1.0,), (1,), 1),
        ((1.0,), (1, 1), 3),
        ((math.nan,), (1, 0), 1),
    ],
)
def test_buckets_that_contradict_themselves_are_refused(
    bounds: tuple[float, ...], counts: tuple[int, ...], count: int
) -> None:
    with pytest.raises(Malformed):
        Explicit(bounds, counts, count, 1.0)


def test_hostile_exponents_end_in_infinity_or_a_refusal() -> None:
    far = Exponential(-10, {2_000_000_000: 3, -2_000_000_000: 1}, {}, 0, 4, 1.0)
    assert math.isfinite(quantile(far.steps(), 0.1).value)
    with pytest.raises(Malformed):
        Exponential(1_000_000, {0: 1}, {}, 0, 1, 1.0)
    with pytest.raises(Malformed):
        Exponential(0, dict.fromkeys(range(3000), 1), {}, 0, 3000, 1.0)
