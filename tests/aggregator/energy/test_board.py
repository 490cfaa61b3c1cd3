"""Models on the board: bursts in, rows of series out."""

import math

import pytest
from wfmonitor.v1.request_pb2 import Phase, TokenBurst, TokenKind

from bus.catalogue import catalogue
from services.aggregator.energy.board import Board
from services.aggregator.energy.learned import Learned
from services.aggregator.energy.means import EnergyMeans
from services.aggregator.energy.model import FIELDS, MOST_OTHERS, PAIR_FIELDS, QUIET_AFTER_S, Model
from services.aggregator.energy.pairs import Standing
from services.aggregator.energy.profile import PROFILES
from services.aggregator.energy.session import State
from tests.aggregator.energy.test_pair import stream, swing


def tokens(model: str, request: str, at_s: list[float], certainty: float = math.nan, each: int = 1) -> TokenBurst:
    return TokenBurst(
        producer="tap",
        model=model,
        request_id=request,
        boot_us=[round(at * 1e6) for at in at_s],
        times_us=[round(at * 1e6) for at in at_s],
        tokens=[each] * len(at_s),
        kinds=[TokenKind.TOKEN_KIND_ANSWER] * len(at_s),
        certainty=[certainty] * len(at_s),
        entropy_bits=[math.nan] * len(at_s),
        phase=Phase.PHASE_FLOWING,
    )


def row(board: Board, now_s: float, model: str = "m") -> dict[str, float]:
    found = {row.model: row for row in board.rows(now_s)}[model]
    assert [series.metric for series in found.columns[: len(FIELDS)]] == [f"model.{field}" for field in FIELDS]
    assert {series.source for series in found.columns} == {f"model:{model}"}
    names = [
        "/".join([series.metric.removeprefix("model."), *(other for _, other in series.labels)])
        for series in found.columns
    ]
    return dict(zip(names, found.values, strict=True))


def test_a_prompt_charges_and_what_is_not_measured_is_absent() -> None:
    board = Board()
    board.take(TokenBurst(model="m", request_id="r", phase=Phase.PHASE_SENT), 5.0)
    values = row(board, 5.5)
    assert values["state"] == State.CHARGING
    assert values["requests_running"] == 1
    assert math.isnan(values["tps"])
    assert math.isnan(values["certainty"])
    assert values["energy"] == 0.0


def test_tokens_of_several_in_a_chunk_all_count() -> None:
    board = Board()
    board.take(tokens("m", "r", [10.0, 10.2, 10.4], certainty=0.5, each=3), 10.4)
    values = row(board, 10.4)
    assert values["tokens_total"] == 9
    assert values["tps"] == 9.0
    assert values["certainty"] == 0.5
    assert values["state"] == State.FLOWING


def test_where_no_point_stands_for_it_the_bounds_of_the_entropy_and_the_mass_seen_are_told() -> None:
    board = Board()
    burst = tokens("m", "r", [10.0, 10.1])
    burst.entropy_low_bits[:] = [1.0, 2.0]
    burst.entropy_high_bits[:] = [6.0, 7.0]
    burst.entropy_mass[:] = [0.5, 0.625]
    board.take(burst, 10.1)
    values = row(board, 10.2)
    assert math.isnan(values["entropy_bits"])
    assert (values["entropy_low_bits"], values["entropy_high_bits"]) == (2.0, 7.0)
    assert values["entropy_mass_ratio"] == 0.625
    board.take(TokenBurst(model="m", request_id="r", phase=Phase.PHASE_FLOWING), 10.2)
    assert row(board, 10.2)["entropy_mass_ratio"] == 0.625, "a burst without tokens says nothing of them"
    board.take(tokens("m", "r", [10.3]), 10.3)
    assert math.isnan(row(board, 10.3)["entropy_low_bits"]), "the newest token was not measured"
    board.take(TokenBurst(model="m", request_id="r", phase=Phase.PHASE_ENDED), 10.4)
    assert math.isnan(row(board, 10.4)["entropy_high_bits"])


def test_two_requests_whose_bursts_overlap_never_turn_time_back() -> None:
    board = Board()
    board.take(tokens("m", "a", [1.0, 1.1, 1.5]), 1.5)
    board.take(tokens("m", "b", [1.2, 1.3, 1.6]), 1.6)
    values = row(board, 1.6)
    assert values["tokens_total"] == 6
    assert values["requests_running"] == 2
    assert 0.0 <= values["energy"] <= 1.0


def test_a_model_that_ended_falls_silent_and_is_no_longer_told() -> None:
    board = Board()
    board.take(tokens("m", "r", [1.0, 1.1]), 1.1)
    board.take(TokenBurst(model="m", request_id="r", phase=Phase.PHASE_ENDED), 1.2)
    assert math.isnan(row(board, 1.3)["tps"])
    assert board.awake(1.2 + QUIET_AFTER_S - 0.1)
    assert not board.awake(1.2 + QUIET_AFTER_S)
    assert list(board.rows(1.2 + QUIET_AFTER_S)) == []


def test_two_models_in_step_show_their_interference() -> None:
    board = Board()
    for name, seed in (("a", 1), ("b", 2)):
        for at in stream(swing(20, 2), 15, seed):
            board.take(tokens(name, name, [float(at) + 1.0]), 0.0)
    now_s = 15.9
    a, b = row(board, now_s, "a"), row(board, now_s, "b")
    assert a["interference/b"] == b["interference/a"] > 0.85
    assert (a["resonance/b"], a["desync/b"]) == (1.0, 0.0)
    assert set(board.verdicts()) == {("a", "b")}
    silent = row(board, now_s + 3.0, "a")
    assert all(math.isnan(silent[f"{field}/b"]) for field in PAIR_FIELDS)


def test_of_three_models_each_says_with_which_it_goes() -> None:
    board = Board()
    for name, seed, shift in (("a", 1, 0.0), ("b", 2, 0.0), ("c", 3, 1.0)):  # c is half a period behind
        for at in stream(swing(20, 2), 15, seed):
            board.take(tokens(name, name, [float(at) + 1.0 + shift]), 0.0)
    a, c = row(board, 15.9, "a"), row(board, 15.9, "c")
    assert a["interference/b"] > 0.85
    assert a["interference/c"] < -0.7
    assert c["interference/a"] == a["interference/c"]
    assert (a["resonance/b"], a["resonance/c"]) == (1.0, 0.0)


def test_the_others_of_a_model_are_bounded() -> None:
    model = Model("m", Learned(), EnergyMeans())
    for number in range(MOST_OTHERS + 5):
        model.stand({f"o{number}": Standing(0.9, 0.0, 0.0), "o0": Standing(0.8, 1.0, 0.0)})
    assert len(model.columns) == len(model.row(1.0)) == len(FIELDS) + MOST_OTHERS * len(PAIR_FIELDS)
    assert len(set(model.columns)) == len(model.columns)
    assert all(name in catalogue()[series.metric].labels for series in model.columns for name, _ in series.labels)


def test_a_model_alone_has_none() -> None:
    board = Board()
    for at in stream(swing(20, 2), 15, 1):
        board.take(tokens("a", "r", [float(at) + 1.0]), 0.0)
    assert row(board, 15.9, "a").keys() == set(FIELDS)


def test_a_changed_profile_measures_the_next_token_and_energy_does_not_jump() -> None:
    board = Board()
    board.take(tokens("m", "r", [1.0 + k / 10 for k in range(30)]), 3.9)
    before = row(board, 4.6)["energy"]  # it decays
    board.choose("lite")
    assert row(board, 4.6)["energy"] == before
    assert {name: profile.name for name, profile in board.profile_changes().items()} == {"m": "lite"}
    assert board.profile_changes() == {}
    board.take(tokens("m", "r", [4.7 + k / 10 for k in range(60)]), 10.6)
    assert row(board, 10.6)["energy"] == pytest.approx(1.0, abs=1e-6), "ten a second is full speed of lite"


@pytest.mark.parametrize("profile", PROFILES)
def test_a_new_model_is_measured_by_the_profile_from_its_first_token(profile: str) -> None:
    early, late = Board(profile=profile), Board(profile=profile)
    for board, asks in ((early, True), (late, False)):
        for k in range(20):
            at_s = 1.0 + k / 7
            board.take(tokens("m", "r", [at_s]), at_s)
            if asks:
                list(board.rows(at_s))
                list(board.slow_rows(at_s))
    assert row(early, 4.0)["energy"] == pytest.approx(row(late, 4.0)["energy"], abs=1e-12)
