"""What begins and ends between models that stream at once."""

import math
from itertools import groupby

import numpy as np
import pytest
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from services.aggregator.energy.board import ALL, Board
from services.aggregator.energy.pairs import DESYNC, ENDS_AFTER_S, INTERFERENCE, RESONANCE, Change, Pairs, names
from services.aggregator.energy.trace import Then, Trace
from tests.aggregator.energy.test_board import tokens
from tests.aggregator.energy.test_pair import Rate, stream, swing, wander

TICKS = 10  # a second


def play(board: Board, streams: dict[str, np.ndarray], until_s: float, from_s: float = 0.0) -> list[Change]:
    """Plays streams on the board, ten ticks a second, as the service does; returns what began and ended."""
    arrivals = sorted((float(at) + 1.0, name) for name, times in streams.items() for at in times)
    changes, next_token = [], 0
    for tick in range(round(from_s * TICKS), round(until_s * TICKS)):
        now_s = 1.0 + tick / TICKS
        while next_token < len(arrivals) and arrivals[next_token][0] <= now_s:
            at, name = arrivals[next_token]
            board.take(tokens(name, name, [at]), now_s)
            next_token += 1
        list(board.rows(now_s))
        changes += board.changes()
    return changes


def apart_after(rate: Rate, at_s: float, seed: int) -> Rate:
    other = wander(30, seed)
    return lambda t: rate(t) if t < at_s else other(t)


def kinds(changes: list[Change]) -> list[tuple[str, bool]]:
    return [(change.kind, change.begins) for change in changes if change.kind != INTERFERENCE]


def test_two_models_in_step_begin_to_resonate_and_end_with_their_streams() -> None:
    board = Board()
    both = {"a": stream(swing(30, 3), 20, 1), "b": stream(swing(30, 3), 20, 2)}
    changes = play(board, both, 35)
    assert kinds(changes)[0] == (RESONANCE, True)
    assert kinds(changes)[-1] == (RESONANCE, False)
    began, ended = changes[0], changes[-1]
    assert began.pair == ("a", "b")
    assert began.r > 0.7
    assert began.energy > 0.8
    assert 20.0 < ended.at_s < 22.5, "the time at which it last held, not the one at which that was known"
    assert not board._pairs.open


def test_a_pair_that_falls_apart_is_told_after_its_resonance() -> None:
    rate = swing(30, 3)
    both = {"a": stream(rate, 60, 1), "b": stream(apart_after(rate, 30, 7), 60, 2)}
    told = kinds(play(Board(), both, 50))
    assert told.index((RESONANCE, True)) < told.index((DESYNC, True))
    assert (RESONANCE, False) in told


def test_silence_is_no_desync() -> None:
    both = {"a": stream(swing(30, 3), 60, 1), "b": stream(swing(30, 3), 30, 2)}
    assert DESYNC not in {change.kind for change in play(Board(), both, 50)}


def test_a_pair_that_was_silent_has_nothing_to_fall_apart_from() -> None:
    board = Board()
    changes = play(board, {"a": stream(swing(30, 3), 20, 1), "b": stream(swing(30, 3), 20, 2)}, 20)
    assert (RESONANCE, True) in kinds(changes)
    for name in "ab":
        board.take(TokenBurst(model=name, request_id=name, phase=Phase.PHASE_ENDED), 21.1)
    apart = {"a": 20.6 + stream(wander(30, 3), 25, 3), "b": 20.6 + stream(wander(30, 4), 25, 4)}
    assert DESYNC not in {kind for kind, _ in kinds(play(board, apart, 45, 21))}


def test_a_silence_of_both_is_no_resonance() -> None:
    board = Board()
    for start_s in (0.0, 12.0, 24.0):
        both = {name: start_s + stream(wander(30, seed), 8, seed) for seed, name in enumerate("ab")}
        assert kinds(play(board, both, start_s + 10, start_s)) == []
        for name in "ab":
            board.take(TokenBurst(model=name, request_id=name, phase=Phase.PHASE_ENDED), start_s + 9.5)


def test_requests_that_follow_each_other_without_a_pause_are_one_stream() -> None:
    board = Board()
    both = {"a": stream(swing(30, 3), 20, 1), "b": stream(swing(30, 3), 20, 2)}
    changes = []
    for start_s in range(0, 20, 4):
        part = {name: at[(at >= start_s) & (at < start_s + 4)] for name, at in both.items()}
        changes += play(board, part, start_s + 5, start_s + 1)
        for name in "ab":
            board.take(TokenBurst(model=name, request_id=name, phase=Phase.PHASE_ENDED), start_s + 5.0)
    assert (RESONANCE, True) in kinds(changes)


def test_what_is_remembered_of_a_pair_goes_with_its_models() -> None:
    board = Board()
    play(board, {"a": stream(swing(30, 3), 20, 1), "b": stream(swing(30, 3), 20, 2)}, 22)
    assert set(board.verdicts()) == {("a", "b")}
    for name in "ab":
        board.take(TokenBurst(model=name, request_id=name, phase=Phase.PHASE_ENDED), 23.0)
    list(board.rows(34.0))
    assert not board._pairs
    assert not board.verdicts()


def test_disagreeing_models_do_not_resonate() -> None:
    board = Board()
    board.disagree("b", "a", 0.9, 9.0)
    both = {"a": stream(swing(30, 3), 17, 1), "b": stream(swing(30, 3), 17, 2)}
    changes = play(board, both, 17)
    began = [change.at_s for change in changes if change.kind == RESONANCE and change.begins]
    assert all(at >= 19.0 for at in began), "the index counts for ten seconds"


@pytest.mark.parametrize("seed", range(4))
def test_begin_and_end_alternate_and_a_swing_about_the_threshold_is_one_episode(seed: int) -> None:
    rate = swing(30, 2, share=0.3)
    both = {"a": stream(rate, 60, seed, 0.2), "b": stream(rate, 60, seed + 9, 0.2)}
    changes = play(Board(), both, 70)
    for _, run in groupby(sorted(changes, key=lambda change: change.kind), key=lambda change: change.kind):
        each = list(run)
        assert [change.begins for change in each] == [at % 2 == 0 for at in range(len(each))]
        for ended, began in zip(each[1::2], each[2::2], strict=False):
            assert began.at_s - ended.at_s > ENDS_AFTER_S


def test_ensemble_energy_is_the_mean_of_those_not_idle_and_absent_of_none() -> None:
    board = Board()
    board.take(tokens("a", "r", [1.0, 1.1, 1.2]), 1.2)
    board.take(TokenBurst(model="b", request_id="q", phase=Phase.PHASE_SENT), 1.2)
    rows = {row.model: row for row in board.rows(1.2)}
    assert rows[ALL].columns[0].source == "model:*"
    energies = [rows[name].values[2] for name in "ab"]
    assert rows[ALL].values == [pytest.approx(sum(energies) / 2)]
    assert math.isnan(Board().ensemble_energy(1.0))


def test_a_pair_has_no_order() -> None:
    assert names("b", "a") == names("a", "b") == ("a", "b")
    pairs, still = Pairs(), Trace()
    for at in range(60):
        still.add(Then(1.0 + at / 5, 0.5, 1.4 + at / 5, 1.0))
    assert pairs.judge({"b": still, "a": still}, 13.0) == []
    assert set(pairs.verdicts) == {("a", "b")}
