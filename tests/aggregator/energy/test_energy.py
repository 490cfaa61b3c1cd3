"""E(t): bounds, known values, and that it does not depend on who asks how often (CONTRACTS §2)."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.energy.energy import Energy, base, ensemble
from services.aggregator.energy.profile import PROFILES, STANDARD, Profile
from services.aggregator.energy.session import DRAINED_FOR_S, Session, State

GAPS = st.lists(st.floats(0.0, 3.0), min_size=1, max_size=60)
CERTAINTY = st.one_of(st.none(), st.floats(0.0, 1.0))
PROFILE = st.sampled_from(list(PROFILES.values()))


def oracle(tokens: list[tuple[float, float | None]], profile: Profile, now_s: float) -> float:
    """E by the words of the contract: slow and obvious."""
    energy, last = 0.0, None
    for index, (at, certainty) in enumerate(tokens):
        tps = sum(1 for other, _ in tokens[: index + 1] if at - 1.0 + 5e-7 < other <= at)
        gap_ms = 0.0 if last is None else (at - last) * 1000.0
        v = min(max(tps / profile.tps_max, 0.0), 1.0)
        f = 1.0 - min(max((gap_ms - profile.stall_ms) / (profile.ceil_ms - profile.stall_ms), 0.0), 1.0)
        worth = 0.7 * v + 0.3 * f if certainty is None else 0.5 * v + 0.3 * certainty + 0.2 * f
        if last is not None:
            energy *= 0.5 ** (max(at - last - profile.stall_ms / 1000.0, 0.0) / 0.7)
        energy = profile.alpha * worth + (1.0 - profile.alpha) * energy
        last = at
    if last is None:
        return 0.0
    return energy * 0.5 ** (max(now_s - last - profile.stall_ms / 1000.0, 0.0) / 0.7)


@settings(max_examples=300, deadline=None)
@given(GAPS, st.data(), PROFILE, st.floats(0.0, 5.0))
def test_it_is_what_the_contract_says(gaps: list[float], data: st.DataObject, profile: Profile, later: float) -> None:
    now_s, tokens = 100.0, []
    for gap in gaps:
        now_s += gap
        tokens.append((now_s, data.draw(CERTAINTY)))
    energy = Energy(profile)
    for at, certainty in tokens:
        energy.token(at, certainty)
    value = energy.at(now_s + later)
    assert value == pytest.approx(oracle(tokens, profile, now_s + later), abs=1e-12)
    assert 0.0 <= value <= 1.0


def test_a_steady_stream_reaches_its_base() -> None:
    energy = Energy(STANDARD)
    for token in range(200):
        energy.token(token * 0.1, 0.5)
    assert energy.at(19.9) == pytest.approx(base(STANDARD, 10.0, 100.0, 0.5), abs=1e-6)


def test_a_full_stall_drives_it_to_zero_however_certain_the_model_was() -> None:
    energy = Energy(STANDARD)
    for token in range(100):
        energy.token(token * 0.05, 1.0)
    assert energy.at(4.95 + 0.4) == pytest.approx(energy.at(4.95))  # holds for the stall time
    assert energy.at(4.95 + 0.4 + 0.7) == pytest.approx(energy.at(4.95) / 2)
    assert energy.at(4.95 + 12.0) < 1e-4


@given(st.floats(0, 200), st.floats(0, 1e5), CERTAINTY, PROFILE)
def test_the_worth_of_a_token_is_a_share(tps: float, gap_ms: float, certainty: float | None, profile: Profile) -> None:
    assert 0.0 <= base(profile, tps, gap_ms, certainty) <= 1.0


def test_before_any_token_there_is_none() -> None:
    assert Energy(STANDARD).at(5.0) == 0.0
    assert math.isinf(Energy(STANDARD).gap_ms(5.0))
    assert ensemble([]) == 0.0
    assert ensemble([0.2, 0.6]) == pytest.approx(0.4)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(0.001, 2.5), st.sampled_from(["token", "token", "token", "prompt", "end"])), max_size=60
    ),
    st.lists(st.floats(0.0, 60.0), max_size=80),
)
def test_a_session_does_not_depend_on_who_asks_how_often(steps: list[tuple[float, str]], asked: list[float]) -> None:
    moments = []
    now_s = 0.0
    for gap, what in steps:
        now_s += gap
        moments.append((now_s, 1, what))
    end_s = now_s + 5.0
    watched, alone = Session(STANDARD), Session(STANDARD)
    for session, extra in ((watched, [(at, 0, "ask") for at in asked if at < end_s]), (alone, [])):
        for at, _, what in sorted([*moments, *extra]):
            if what == "token":
                session.token("r", at)
            elif what == "prompt":
                session.prompt("r", at)
            elif what == "end":
                session.end("r", at)
            else:
                session.state(at)
                session.bursting(at)
                session.lifetime_energy_s(at)
    assert watched.state(end_s) == alone.state(end_s)
    ours, theirs = watched.counts, alone.counts
    assert (ours.tokens, ours.stalls, ours.bursts) == (theirs.tokens, theirs.stalls, theirs.bursts)
    assert watched.lifetime_energy_s(end_s) == pytest.approx(alone.lifetime_energy_s(end_s), abs=1e-9)


def test_the_life_of_a_session() -> None:
    session = Session(STANDARD)
    assert session.state(0.0) is State.IDLE
    session.prompt("r", 1.0)
    assert session.state(2.0) is State.CHARGING
    for token in range(60):  # 40 tokens a second
        session.token("r", 3.0 + token / 40.0, 1.0)
    now_s = 3.0 + 59 / 40.0
    assert session.state(now_s) is State.SATURATED
    assert session.bursting(now_s)
    assert session.counts.bursts == 1
    assert session.state(now_s + 2.0) is State.FLOWING  # E fell below 0.7
    assert session.stalled(now_s + 2.0)
    assert session.counts.stalls == 0, "it is not over"
    session.token("r", now_s + 2.0)
    assert session.counts.stalls == 1
    assert not session.stalled(now_s + 2.0)
    session.token("r", now_s + 3.0)
    assert session.state(now_s + 3.0) is State.STALLING
    session.token("r", now_s + 3.1)
    assert session.state(now_s + 3.1) is State.FLOWING
    session.end("r", now_s + 3.2)
    assert session.state(now_s + 3.2) is State.DRAINED
    assert session.state(now_s + 3.2 + DRAINED_FOR_S) is State.IDLE


def test_an_unanswered_prompt_times_out() -> None:
    session = Session(STANDARD)
    session.prompt("r", 0.0)
    assert session.state(599.0) is State.CHARGING
    assert session.state(601.0) is State.IDLE


def test_an_answer_whose_end_was_never_told_times_out() -> None:
    session = Session(STANDARD)
    for at in (1.0, 1.1, 1.2):
        session.token("r", at)
    assert session.state(600.0) is State.FLOWING
    assert session.running(600.0) == 1
    assert session.state(601.3) is State.IDLE
    assert session.running(601.3) == 0
