"""Slowdown against plain sums over everything that was."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from services.aggregator.energy.board import Board
from services.aggregator.energy.learned import Learned
from services.aggregator.energy.model import SLOW_FIELDS
from services.aggregator.energy.slowdown import (
    HALF_LIFE_DAYS,
    LEAST_WEIGHT,
    STRETCH_GAPS,
    UNKNOWN,
    Baselines,
    Bin,
    Stretch,
    Stretches,
    bin_of,
)
from tests.aggregator.energy.test_board import tokens

BIN = Bin("m", 0, UNKNOWN)


@given(
    st.lists(st.tuples(st.floats(0.0, 10.0), st.floats(1.0, 1000.0)), min_size=1, max_size=40),
    st.floats(0.0, 60.0),
)
def test_a_baseline_is_the_mean_of_its_logarithms_weighted_by_age(
    seen: list[tuple[float, float]], later: float
) -> None:
    baselines, days, times = Baselines(), 100.0, []
    for gap, tpot_ms in seen:
        days += gap
        times.append(days)
        baselines.learn(BIN, tpot_ms, days)
    weights = [0.5 ** ((days + later - at) / HALF_LIFE_DAYS) for at in times]
    found = baselines.tpot_ms(BIN, days + later)
    if sum(weights) < LEAST_WEIGHT * (1 - 1e-9):
        assert found is None
    elif sum(weights) > LEAST_WEIGHT * (1 + 1e-9):
        logs = sum(weight * math.log(tpot) for weight, (_, tpot) in zip(weights, seen, strict=True))
        assert found == pytest.approx(math.exp(logs / sum(weights)))


def test_a_wall_clock_set_back_ages_nothing() -> None:
    baselines = Baselines()
    for days in (10.0, 9.0, 8.0, 7.0):
        baselines.learn(BIN, 50.0, days)
    assert baselines.rows[BIN].weight == pytest.approx(4.0)
    assert baselines.tpot_ms(BIN, 5.0) == pytest.approx(50.0)


def slow_stretches(played: list[tuple[float, float]]) -> list[Stretch]:
    """By the words of the module: tokens as (time, when others were last at work), one request, its bytes unknown."""
    found, first = [], 0
    for at in range(1, len(played)):
        part = played[first : at + 1]
        alone = [others < now for now, others in part]
        began = part[0][0]
        whole = (all(alone) and all(others <= began for _, others in part[1:])) or not any(alone)
        if not whole:
            first = at
        elif len(part) == STRETCH_GAPS + 1:
            tpot_ms = 1000.0 * (part[-1][0] - began) / STRETCH_GAPS
            found += [Stretch(BIN, alone[0], tpot_ms)] if tpot_ms > 0.0 else []
            first = at
    return found


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0.0, 0.5), st.sampled_from("aaaaaaaaaaaaaot")), min_size=20, max_size=160))
def test_stretches_are_what_their_words_say(steps: list[tuple[float, str]]) -> None:
    now_s, others_s, at_work, played = 1.0, -math.inf, False, []
    for gap, what in steps:
        if what == "o":  # others were at work for a moment, between two tokens
            others_s = now_s + gap / 2
        elif what == "t":
            at_work = not at_work
        now_s += gap
        others_s = now_s if at_work else others_s
        played.append((now_s, others_s))
    stretches = Stretches("m")
    found = [stretches.token("r", at, 1, others) for at, others in played]
    assert [one for one in found if one is not None] == slow_stretches(played)


def test_bins() -> None:
    assert [bin_of("m", running, 0, 9).batch for running in (1, 2, 3, 4, 5, 8, 9)] == [0, 1, 2, 2, 3, 3, 4]
    assert bin_of("m", 1, 0, 10**6).context == UNKNOWN
    assert [bin_of("m", 1, 4 * prompt, 0).context for prompt in (1, 255, 256, 5000, 20000, 10**6)] == [0, 0, 1, 3, 4, 5]
    assert bin_of("m", 1, 4 * 200, 56).context == 1, "the answer is context too"


class Play:
    """Models that stream at a steady gap, on one board."""

    def __init__(self, learned: Learned | None = None) -> None:
        self.board = Board(learned, days=lambda: 20_000.0)
        self.now_s = 10.0

    def stream(self, gap_s: float, seconds: float, *others: str, request: str = "r", request_bytes: int = 400) -> None:
        """Model m at this gap, the others beside it."""
        for name in ("m", *others):
            sent = TokenBurst(model=name, request_id=request, phase=Phase.PHASE_SENT, request_bytes=request_bytes)
            self.board.take(sent, self.now_s)
        for _ in range(round(seconds / gap_s)):
            self.now_s += gap_s
            for name in ("m", *others):
                self.board.take(tokens(name, request, [self.now_s]), self.now_s)

    def end(self, *names: str, request: str = "r") -> None:
        for name in names:
            self.board.take(TokenBurst(model=name, request_id=request, phase=Phase.PHASE_ENDED), self.now_s)

    @property
    def slowdown(self) -> float:
        rows = {row.model: dict(zip(SLOW_FIELDS, row.values, strict=True)) for row in self.board.slow_rows(self.now_s)}
        return rows["m"]["slowdown_ratio"]


def test_a_model_that_takes_half_as_long_again_beside_another_is_slowed_by_a_half() -> None:
    play = Play()
    play.stream(0.05, 6.0)
    assert math.isnan(play.slowdown), "alone there is none"
    play.stream(0.075, 4.0, "other")
    assert play.slowdown == pytest.approx(1.5, rel=1e-6)
    play.end("other")
    play.stream(0.05, 1.0)
    assert math.isnan(play.slowdown)


def test_without_a_baseline_of_the_same_bin_it_is_absent() -> None:
    play = Play()
    play.stream(0.05, 2.0)  # two stretches are no habit
    play.end("m")
    play.stream(0.075, 4.0, "other")
    assert math.isnan(play.slowdown)
    longer = Play()
    longer.stream(0.05, 6.0)
    longer.end("m")
    longer.stream(0.075, 4.0, "other", request="long", request_bytes=100_000)
    assert math.isnan(longer.slowdown), "a baseline of short prompts says nothing of a long one"


def test_what_ran_beside_others_is_never_learned() -> None:
    play = Play()
    play.stream(0.075, 10.0, "other")
    assert not play.board._learned.baselines.rows


def test_a_model_that_charges_is_at_work_and_one_whose_end_was_lost_is_not_for_ever() -> None:
    play = Play()
    play.board.take(TokenBurst(model="other", request_id="q", phase=Phase.PHASE_SENT), play.now_s)
    play.stream(0.05, 6.0)
    assert not play.board._learned.baselines.rows, "a prefill takes the machine"
    play.board.take(tokens("other", "q", [play.now_s]), play.now_s)  # and then nothing more is heard of it
    play.stream(0.05, 20.0)
    assert play.board._learned.baselines.rows


def test_requests_that_never_end_are_forgotten() -> None:
    stretches = Stretches("m")
    for request in range(3000):
        stretches.token(str(request), 1.0, 1, -math.inf)
    assert len(stretches._requests) <= 1024
