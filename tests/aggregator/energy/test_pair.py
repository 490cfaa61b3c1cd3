"""The golden pairs of CONTRACTS §3: which must and which must not be called coupled."""

import math
import random
from collections.abc import Callable

import numpy as np
import pytest

from services.aggregator.energy.pair import Pair, disagreement
from services.aggregator.energy.rates import coupling, lag_s, rate_signal

Rate = Callable[[float], float]


def stream(rate: Rate, until_s: float, seed: int = 0, jitter: float = 0.05) -> np.ndarray:
    """Arrivals of a stream of tokens with this rate, from time 0: each gap is 1/rate, give or take a little."""
    chance = random.Random(seed)
    at, arrivals = 0.0, []
    while at < until_s:
        arrivals.append(at)
        at += (1.0 + chance.uniform(-jitter, jitter)) / rate(at)
    return np.array(arrivals)


def swing(mean: float, period_s: float, phase: float = 0.0, share: float = 0.5) -> Rate:
    return lambda t: mean * (1.0 + share * math.sin(2.0 * math.pi * t / period_s + phase))


def wander(mean: float, seed: int) -> Rate:
    """A rate that wanders by itself: a slow random walk back to its mean."""
    chance, values, value = random.Random(seed), [], 0.0
    for _ in range(2000):
        value = 0.9 * value + chance.gauss(0.0, 0.15)
        values.append(value)
    return lambda t: mean * (1.0 + max(min(values[int(t / 0.1) % 2000], 0.7), -0.7))


def windows(one: np.ndarray, other: np.ndarray, until_s: float) -> list[float | None]:
    """Interference as shown, each second."""
    pair = Pair()
    return [pair.judge(one, other, float(end), 0.9).interference for end in np.arange(11.0, until_s - 1.0, 1.0)]


@pytest.mark.parametrize("mean", [10.0, 50.0])
@pytest.mark.parametrize("period_s", [1.0, 2.0, 4.0])
def test_streams_that_swing_together_are_in_step(mean: float, period_s: float) -> None:
    one, other = stream(swing(mean, period_s), 60, 1), stream(swing(mean, period_s), 60, 2)
    values = [
        found.r
        for end in np.arange(11.0, 59.0, 0.5)
        if (found := coupling(rate_signal(one, end, 10.0), rate_signal(other, end, 10.0))) is not None
    ]
    assert np.mean(np.array(values) > 0.85) >= 0.97


def test_streams_that_swing_against_each_other_are_opposed() -> None:
    values = windows(stream(swing(20, 2), 60, 1), stream(swing(20, 2, math.pi), 60, 2), 60)
    assert all(value is not None and value < -0.7 for value in values)


def test_streams_that_wander_alone_are_left_alone() -> None:
    shown = [
        value is not None
        for seed in range(12)
        for value in windows(stream(wander(20, seed), 60, seed), stream(wander(20, 100 + seed), 60, seed + 50), 60)
    ]
    print(f"false interference: {sum(shown)} of {len(shown)} windows")
    assert np.mean(shown) <= 0.01


def test_steady_streams_say_nothing() -> None:
    assert set(windows(stream(lambda _: 20, 40, 1, 0.0), stream(lambda _: 20, 40, 2, 0.0), 40)) == {None}


def test_a_stream_that_ended_is_silence_and_not_desync() -> None:
    one, other = stream(swing(30, 3), 60, 1), stream(swing(30, 3), 30, 2)
    pair = Pair()
    verdicts = [pair.judge(one, other, float(end), 0.9) for end in np.arange(11.0, 50.0, 0.1)]
    assert any(verdict.resonant for verdict in verdicts)
    assert not any(verdict.desynchronised for verdict in verdicts)
    assert verdicts[-1].coupling is None


def test_resonance_wants_energy_and_agreement_for_a_second() -> None:
    one, other = stream(swing(30, 3), 40, 1), stream(swing(30, 3), 40, 2)
    for energy, di, resonant in [(0.9, None, True), (0.9, 0.1, True), (0.9, 0.6, False), (0.5, None, False)]:
        pair = Pair()
        verdicts = [pair.judge(one, other, 11.0 + k * 0.1, energy, di) for k in range(40)]
        assert not any(verdict.resonant for verdict in verdicts[:10])
        assert verdicts[-1].resonant is resonant


def test_a_resonant_pair_that_falls_apart_is_desynchronised() -> None:
    def late(t: float) -> float:
        return swing(30, 3)(t) if t < 30 else wander(30, 7)(t)

    one, other = stream(swing(30, 3), 60, 1), stream(late, 60, 2)
    pair = Pair()
    when = [end for end in np.arange(11.0, 59.0, 0.1) if pair.judge(one, other, float(end), 0.9).desynchronised]
    assert when
    assert 31.0 < when[0] < 42.0


def test_a_pair_that_never_resonated_cannot_fall_apart() -> None:
    one, other = stream(wander(20, 1), 60, 1), stream(wander(20, 2), 60, 2)
    pair = Pair()
    assert not any(pair.judge(one, other, float(end), 0.9).desynchronised for end in np.arange(11.0, 59.0, 0.1))


def test_the_lag_of_a_follower_is_found() -> None:
    one, other = stream(swing(40, 3), 30, 1, 0.0), stream(lambda t: swing(40, 3)(t - 0.4), 30, 2, 0.0)
    found = lag_s(rate_signal(one, 25.0, 10.0), rate_signal(other, 25.0, 10.0))
    assert found == pytest.approx(0.4, abs=0.1)


def test_disagreement_is_zero_of_equals_and_one_of_strangers() -> None:
    p = np.array([0.5, 0.3, 0.2, 0.0])
    assert disagreement(p, p) == pytest.approx(0.0, abs=1e-12)
    assert disagreement(np.array([1.0, 0.0]), np.array([0.0, 1.0])) == pytest.approx(1.0)
    assert disagreement(p, np.array([0.25, 0.25, 0.25, 0.25])) == pytest.approx(
        disagreement(np.array([0.25, 0.25, 0.25, 0.25]), p)
    )
