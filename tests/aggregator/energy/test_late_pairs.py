"""Two models whose bursts are heard late, and asked of at any tick, against the same heard and asked of at once."""

import math
import random
from collections import deque

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from wfmonitor.v1.request_pb2 import TokenBurst

from services.aggregator.energy.board import Board
from services.aggregator.energy.pairs import INTERFERENCE, RESONANCE, Change
from tests.aggregator.energy.test_board import tokens
from tests.aggregator.energy.test_late import Heard, lagging, newest_s
from tests.aggregator.energy.test_pair import stream, swing
from tests.aggregator.energy.test_pairs import apart_after

LASTS_S = 24.0


def in_bursts(model: str, at_s: list[float], chance: random.Random) -> list[TokenBurst]:
    bursts = []
    while at_s:
        size = chance.randint(1, 6)
        bursts.append(tokens(model, model, at_s[:size], certainty=0.9))
        at_s = at_s[size:]
    return bursts


def played(heard: list[Heard], tick_s: float, until_s: float) -> tuple[Board, list[Change]]:
    """The board, asked on this tick, and what began and ended."""
    board, changes, left = Board(), [], deque(sorted(heard, key=lambda one: one.at_s))
    for tick in range(round((until_s - 10.0) / tick_s) + 1):
        now_s = 10.0 + tick * tick_s
        while left and left[0].at_s <= now_s:
            board.take(left.popleft().burst, now_s)
        list(board.rows(now_s))
        list(board.slow_rows(now_s))
        changes += board.changes()
    assert not left
    return board, sorted(changes, key=lambda change: (change.kind, change.at_s, change.begins))


def newest_verdict(board: Board) -> tuple[float, ...]:
    verdict = board.verdicts()["a", "b"]
    r = math.nan if verdict.coupling is None else verdict.coupling.r
    return (r, verdict.resonant, verdict.desynchronised)


# A failing seed does not get simpler, and each try is some seconds.
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.generate])
@given(st.integers(0, 2**32), st.sampled_from([0.05, 0.1, 0.137, 0.4]), st.booleans())
def test_what_holds_of_two_models_is_the_same_for_any_lag_and_tick(seed: int, tick_s: float, pauses: bool) -> None:
    chance = random.Random(seed)
    rate = swing(30, 3)
    streams = {"a": stream(rate, LASTS_S, seed % 97), "b": stream(apart_after(rate, 16, seed % 89), LASTS_S, seed % 83)}
    heard, late = [], []
    for model, at_s in streams.items():
        kept = [round(10.0 + float(at), 6) for at in at_s]
        if pauses and model == "a":
            begins_s = 10.0 + chance.uniform(3.0, 20.0)
            kept = [at for at in kept if not begins_s < at < begins_s + chance.uniform(0.2, 1.5)]
        bursts = in_bursts(model, kept, chance)
        heard += [Heard(newest_s(burst), burst) for burst in bursts]
        late += lagging(bursts, chance)
    until_s = 10.0 + LASTS_S + 6.0
    board, wanted = played(heard, 0.1, until_s)
    told_late, found = played(late, tick_s, until_s)
    assert len(found) == len(wanted)
    for one, other in zip(found, wanted, strict=True):
        assert (one.kind, one.begins, one.pair) == (other.kind, other.begins, other.pair)
        assert tuple(one[3:]) == pytest.approx(tuple(other[3:]), abs=1e-9, nan_ok=True)
    # Sums over what is kept begin at other tokens, so the last bit of r may differ.
    assert newest_verdict(told_late) == pytest.approx(newest_verdict(board), abs=1e-9, nan_ok=True)


def test_the_streams_of_that_test_do_interfere_and_resonate() -> None:
    chance = random.Random(1)
    heard = []
    for seed, model in enumerate("ab"):
        at_s = [round(10.0 + float(at), 6) for at in stream(swing(30, 3), LASTS_S, seed)]
        heard += lagging(in_bursts(model, at_s, chance), chance)
    _, changes = played(heard, 0.1, 10.0 + LASTS_S + 6.0)
    assert {change.kind for change in changes} == {INTERFERENCE, RESONANCE}
