"""Bursts that are heard late, while somebody asks again and again, against the same ones heard at once and unasked."""

import math
import random
from itertools import accumulate
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from services.aggregator.energy.board import ALL, Board
from services.aggregator.energy.model import FIELDS, SLOW_FIELDS
from services.aggregator.energy.trace import LATE_S
from tests.aggregator.energy.test_board import row, tokens

# What is said of two models together is looked at in test_late_pairs.py.
PAIRED = ("interferences_total", "resonances_total", "desyncs_total")
ALONE = [field for field in (*FIELDS, *SLOW_FIELDS) if field not in PAIRED]


class Heard(NamedTuple):
    at_s: float
    burst: TokenBurst


def told_by(model: str, gaps: list[float], chance: random.Random) -> list[TokenBurst]:
    """Requests of some 40 tokens with these gaps, in bursts of up to twelve; the last burst of each is its end."""
    at_s = [round(10.0 + at, 6) for at in accumulate(gaps)]
    bursts, cut = [], 0
    while cut < len(at_s):
        size = chance.randint(1, 12)
        part, request = at_s[cut : cut + size], f"{model}{cut // 40}"
        burst = tokens(model, request, part, certainty=0.9)
        cut += size
        if cut // 40 > (cut - size) // 40:
            burst.phase = Phase.PHASE_ENDED
        bursts.append(burst)
    return bursts


def newest_s(burst: TokenBurst) -> float:
    return burst.boot_us[-1] / 1e6


def lagging(bursts: list[TokenBurst], chance: random.Random) -> list[Heard]:
    """Each up to LATE_S after its newest token; what one program tells comes in order."""
    at_s = accumulate((newest_s(burst) + chance.uniform(0.0, LATE_S) for burst in bursts), max)
    return [Heard(at, burst) for at, burst in zip(at_s, bursts, strict=True)]


def played(heard: list[Heard], asked: list[float], until_s: float) -> tuple[Board, dict[str, dict[str, float]]]:
    """The board after all of it, and the values of each model then."""
    board = Board()
    steps = [(at, 0, burst) for at, burst in heard] + [(at, 1, None) for at in asked]
    for at, _, burst in sorted(steps, key=lambda step: step[:2]):
        if burst is None:
            list(board.rows(at))
            list(board.slow_rows(at))
        else:
            board.take(burst, at)
    values = {each.model: dict(zip(FIELDS, each.values, strict=False)) for each in board.rows(until_s)}
    for each in board.slow_rows(until_s):
        values[each.model] |= dict(zip(SLOW_FIELDS, each.values, strict=True))
    return board, values


GAPS = st.lists(st.sampled_from([0.0, 0.011, 0.033, 0.033, 0.05, 0.3, 0.41, 0.9, 2.5]), min_size=20, max_size=150)
SEEDS = st.integers(0, 2**32)
TICKS = st.sampled_from([0.05, 0.1, 0.137, 0.5])


@settings(max_examples=100, deadline=None)
@given(GAPS, GAPS, SEEDS, TICKS)
def test_a_lag_and_a_tick_change_nothing_of_a_model(
    one: list[float], other: list[float], seed: int, tick_s: float
) -> None:
    """All that is told of it alone; its lifetime energy is that of LATE_S before, on either board."""
    chance = random.Random(seed)
    heard, late = [], []
    for bursts in (told_by("m", one, chance), told_by("o", other, chance)):
        heard += [Heard(newest_s(burst), burst) for burst in bursts]
        late += lagging(bursts, chance)
    until_s = max(at for at, _ in late)
    ticks = [9.9 + k * tick_s for k in range(math.ceil((until_s - 9.9) / tick_s))]
    # Heard together with the newest token, and asked once: at the end.
    board, wanted = played(sorted(heard, key=lambda one: one.at_s), [], until_s)
    told_late, found = played(sorted(late, key=lambda one: one.at_s), ticks, until_s)
    assert found.keys() == wanted.keys()
    for model in wanted.keys() - {ALL}:
        for field in ALONE:
            assert found[model][field] == pytest.approx(wanted[model][field], abs=1e-12, nan_ok=True), field
    for model in "mo":
        for request in range(4):
            mean = board.energy_mean(f"{model}{request}")
            assert told_late.energy_mean(f"{model}{request}") == (mean if mean is None else pytest.approx(mean))
    assert told_late.ensemble_energy(until_s) == pytest.approx(board.ensemble_energy(until_s), nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(GAPS, SEEDS, TICKS)
def test_no_counter_ever_falls(gaps: list[float], seed: int, tick_s: float) -> None:
    chance, board, before = random.Random(seed), Board(), {}
    steps = lagging(told_by("m", gaps, chance), chance)
    end_s = steps[-1].at_s + 3.0
    now_s = 10.0
    while now_s < end_s:
        while steps and steps[0].at_s <= now_s:
            board.take(steps.pop(0).burst, now_s)
        rows = [*board.rows(now_s), *board.slow_rows(now_s)]
        values = {
            series.metric: value for each in rows for series, value in zip(each.columns, each.values, strict=True)
        }
        told = {name: value for name, value in values.items() if name.endswith(("_total", "_lifetime"))}
        assert all(value >= before.get(name, 0.0) for name, value in told.items()), (before, told)
        before = told or before
        now_s += tick_s


def test_a_pause_in_the_telling_is_no_stall() -> None:
    """Thirty a second, of which 0.7 s are heard together after a pause, and a tick of a tenth of a second."""
    board = Board()
    at_s = [10.0 + k / 30 for k in range(90)]
    heard = [(11.7 if 11.0 <= at < 11.7 else at, at) for at in at_s]
    for tick in range(100, 131):
        now_s = tick / 10
        for due, at in [one for one in heard if now_s - 0.1 < one[0] <= now_s + 1e-9]:
            board.take(tokens("m", "r", [at]), due)
        list(board.rows(now_s))
    values = row(board, 13.0)
    assert values["tokens_total"] == 90
    assert values["stalls_total"] == 0
    assert values["token_interval_ms"] == pytest.approx(1000 / 30, abs=1e-3)
    arrivals = list(board._models["m"].trace.arrivals_s)
    assert arrivals == pytest.approx(at_s, abs=1e-6)


def test_a_stall_is_counted_by_the_token_that_ends_it_and_felt_at_once() -> None:
    board = Board()
    board.take(tokens("m", "r", [10.0 + k / 30 for k in range(60)]), 12.0)
    during = row(board, 14.0)
    assert during["stalls_total"] == 0
    assert during["energy"] < row(board, 12.0)["energy"] / 4, "E falls while it lasts"
    board.take(tokens("m", "r", [14.5]), 14.5)
    assert row(board, 14.5)["stalls_total"] == 1


@pytest.mark.parametrize("tick_s", [0.0, 0.016, 0.1, 0.137])
def test_slowdown_beside_another_is_the_same_for_any_tick_and_lag(tick_s: float) -> None:
    at_s, at = [], 10.0
    for k in range(400):
        at += 0.05 if k < 200 else 0.075
        at_s.append(round(at, 6))
    beside = [one for one in at_s if one > at_s[199]]
    bursts = [tokens("m", "r", [one]) for one in at_s]
    bursts += [tokens("o", "q", [one - 0.01]) for one in beside]
    bursts.sort(key=newest_s)
    late = list(accumulate((newest_s(burst) + 0.7 * (at % 7) / 7 for at, burst in enumerate(bursts)), max))
    until_s = late[-1]
    ticks = [10.0 + k * tick_s for k in range(int((until_s - 10.0) / tick_s))] if tick_s else []
    _, found = played([Heard(at, burst) for at, burst in zip(late, bursts, strict=True)], ticks, until_s)
    assert found["m"]["slowdown_ratio"] == pytest.approx(1.5, abs=1e-9)
