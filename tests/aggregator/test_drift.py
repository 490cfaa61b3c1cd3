"""Drift against a slow oracle, and by simulation: how often it alarms for nothing, how late it sees what happened."""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.drift import BASELINE, LIMIT, MOST_Z, SLACK, Detector

VALUES = st.lists(st.floats(-100, 100), min_size=BASELINE + 1, max_size=BASELINE + 60)


def oracle(values: list[float], least: float) -> Iterator[float]:
    """The level after each value past the baseline, by its meaning: the largest sum that ends here, if above 0.

    Up to where a sum reaches twice the limit; from there on it is held.
    """
    baseline, later = values[:BASELINE], values[BASELINE:]
    mean, deviation = statistics.fmean(baseline), max(least, statistics.stdev(baseline))
    zs = [max(-MOST_Z, min(MOST_Z, (value - mean) / deviation)) for value in later]
    for end in range(1, len(zs) + 1):
        up = max(0.0, *(math.fsum(z - SLACK for z in zs[begin:end]) for begin in range(end)))
        down = max(0.0, *(math.fsum(-z - SLACK for z in zs[begin:end]) for begin in range(end)))
        if max(up, down) >= 2 * LIMIT:
            return
        yield (up if up >= down else -down) / LIMIT


@settings(deadline=None)  # the oracle is slow on purpose
@given(VALUES)
def test_the_level_is_the_largest_sum_that_ends_now(values: list[float]) -> None:
    detector = Detector(0.1)
    for value in values[:BASELINE]:
        assert not detector.take(value)
        assert detector.drifts is False
    for value, expected in zip(values[BASELINE:], oracle(values, 0.1), strict=False):
        detector.take(value)
        assert abs(detector.level) == pytest.approx(abs(expected), abs=1e-6)


@settings(deadline=None)  # the oracle is slow on purpose
@given(VALUES)
def test_the_baseline_is_never_learned_again(values: list[float]) -> None:
    detector = Detector(0.1)
    for value in values[:BASELINE]:
        detector.take(value)
    mean, deviation = detector.mean, detector.deviation
    assert mean == pytest.approx(statistics.fmean(values[:BASELINE]), abs=1e-9)
    for value in values[BASELINE:]:
        detector.take(value)
    assert (detector.mean, detector.deviation) == (mean, deviation)


def test_what_is_no_number_is_passed_over() -> None:
    detector = Detector(0.1)
    for value in (math.nan, math.inf, -math.inf):
        assert not detector.take(value)
    assert detector.count == 0
    assert math.isnan(detector.level)


def test_a_steady_model_that_fails_once_does_not_drift_and_one_that_fails_on_does() -> None:
    detector = Detector(0.1)
    for _ in range(BASELINE + 50):
        detector.take(1.0)
    detector.take(0.0)
    assert not detector.drifts
    turns = [detector.take(0.0) for _ in range(20)]
    assert turns.count(True) == 1
    assert detector.level < -1
    turns = [detector.take(1.0) for _ in range(50)]
    assert turns.count(True) == 1
    assert not detector.drifts


def right(share: float) -> Callable[[random.Random], float]:
    return lambda dice: float(dice.random() < share)


def normal(mean: float) -> Callable[[random.Random], float]:
    return lambda dice: dice.gauss(mean, 1.0)


def alarm_at(
    dice: random.Random, before: Callable[[random.Random], float], after: Callable[[random.Random], float], most: int
) -> int | None:
    """Values after the baseline until the alarm; None: there was none within `most`."""
    detector = Detector(0.1)
    for _ in range(BASELINE):
        detector.take(before(dice))
    for number in range(1, most + 1):
        if detector.take(after(dice)):
            return number
    return None


# Runs of 500 values after the baseline, 1,000 runs (fixed seed): what drift.py promises, with room for the seed.
@pytest.mark.parametrize(
    ("kind", "most"), [(normal(0.0), 0.03), (right(0.95), 0.02), (right(0.7), 0.04), (right(1.0), 0.0)]
)
def test_false_alarms_are_as_rare_as_stated(kind: Callable[[random.Random], float], most: float) -> None:
    dice = random.Random(20260101)
    alarms = sum(alarm_at(dice, kind, kind, 500) is not None for _ in range(1000))
    print(f"false alarms: {alarms / 10:.1f} % of runs of 500 values")
    assert alarms / 1000 <= most


@pytest.mark.parametrize(
    ("before", "after", "median", "ninetieth"),
    [
        (normal(0.0), normal(-2.0), 10, 14),
        (normal(0.0), normal(1.0), 27, 50),
        (right(0.95), right(0.6), 22, 45),
        (right(1.0), right(0.5), 15, 24),
        (right(0.5), right(0.9), 45, 90),
    ],
)
def test_what_happened_is_seen_as_soon_as_stated(
    before: Callable[[random.Random], float], after: Callable[[random.Random], float], median: int, ninetieth: int
) -> None:
    dice = random.Random(20260102)
    delays = sorted(found for _ in range(500) if (found := alarm_at(dice, before, after, 2000)) is not None)
    print(f"seen after {delays[249]} values (median), {delays[449]} (90 %)")
    assert len(delays) == 500
    assert delays[249] <= median
    assert delays[449] <= ninetieth
