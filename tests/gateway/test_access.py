"""Codes and tickets pass once, in time; tokens are known by their hash."""

from services.gateway.access import (
    CODE_LIFE_S,
    MAX_SESSIONS,
    SESSION_LIFE_US,
    TICKET_LIFE_S,
    Keyring,
    OneUse,
    digest,
)
from services.gateway.door import Bearer
from services.gateway.rates import Bucket


def test_a_ticket_passes_once() -> None:
    tickets = OneUse(TICKET_LIFE_S)
    ticket = tickets.mint(100.0)
    assert tickets.spend(ticket, 129.9)
    assert not tickets.spend(ticket, 129.9)


def test_a_ticket_dies_after_thirty_seconds() -> None:
    tickets = OneUse(TICKET_LIFE_S)
    ticket = tickets.mint(100.0)
    assert not tickets.spend(ticket, 130.0)


def test_nothing_else_passes() -> None:
    codes = OneUse(CODE_LIFE_S)
    code = codes.mint(0.0)
    for guess in ("", "x", code[:-1], code + "x", code.swapcase(), "\ud800"):
        assert not codes.spend(guess, 1.0)
    assert codes.spend(code, 1.0)


def test_a_flood_of_codes_is_bounded_and_the_newest_lives() -> None:
    codes = OneUse(CODE_LIFE_S)
    last = [codes.mint(float(second) / 100) for second in range(2000)][-1]
    assert len(codes) <= 256
    assert codes.spend(last, 20.0)


def test_tokens_are_told_apart() -> None:
    keyring = Keyring("api-token-of-the-home")
    token, session = keyring.open_session(1_000)
    assert session.hash == digest(token)
    assert keyring.identify("api-token-of-the-home", 2_000).bearer is Bearer.SCRIPT
    assert keyring.identify(token, 2_000).bearer is Bearer.PAGE
    for wrong in ("", "x", token[:-1], token + " "):
        assert keyring.identify(wrong, 2_000).bearer is Bearer.NOBODY


def test_a_session_survives_a_restart_and_ends_after_its_life() -> None:
    token, session = Keyring("api").open_session(1_000)
    again = Keyring("api", [session])
    assert again.identify(token, 1_000 + SESSION_LIFE_US - 1).bearer is Bearer.PAGE
    assert again.identify(token, 1_000 + SESSION_LIFE_US).bearer is Bearer.NOBODY


def test_the_oldest_session_leaves_when_there_are_too_many() -> None:
    keyring = Keyring("api")
    tokens = [keyring.open_session(number)[0] for number in range(MAX_SESSIONS)]
    keyring.open_session(MAX_SESSIONS)
    assert sorted(session.opened_us for session in keyring.sessions) == list(range(1, MAX_SESSIONS + 1))
    assert keyring.identify(tokens[0], 100).bearer is Bearer.NOBODY
    assert keyring.identify(tokens[1], 100).bearer is Bearer.PAGE


def test_a_bucket_lets_the_burst_through_and_then_the_rate() -> None:
    bucket = Bucket(rate_s=10, burst=5)
    assert [bucket.take("a", 0.0) for _ in range(5)] == [0.0] * 5
    assert bucket.take("a", 0.0) > 0
    assert bucket.take("b", 0.0) == 0.0
    assert bucket.take("a", 0.1) == 0.0


def test_a_bucket_forgets_callers_of_long_ago() -> None:
    bucket = Bucket(rate_s=1, burst=1)
    for number in range(10_000):
        bucket.take(str(number), 0.0)
    assert len(bucket._levels) <= 256
