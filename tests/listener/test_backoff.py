"""When an ended service is started again."""

from hypothesis import given
from hypothesis import strategies as st

from services.listener.backoff import ASK_AFTER, FIRST_WAIT_S, LONGEST_WAIT_S, STEADY_AFTER_S, BackOff


def test_the_first_restart_is_at_once_and_quick_ends_wait_longer() -> None:
    backoff = BackOff()
    waits = [backoff.ended("collector", 0.0) for _ in range(12)]
    assert waits[:3] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S]
    assert waits[-1] == LONGEST_WAIT_S


def test_a_service_that_ran_for_a_while_starts_from_the_beginning() -> None:
    backoff = BackOff()
    for _ in range(6):
        backoff.ended("collector", 0.0)
    backoff.started("collector", 10.0)
    assert backoff.ended("collector", 10.0 + STEADY_AFTER_S) == FIRST_WAIT_S
    assert backoff.restarts("collector") == 7


def test_it_asks_for_a_person_and_goes_on_all_the_same() -> None:
    backoff = BackOff()
    for _ in range(ASK_AFTER):
        assert not backoff.asks_for_help("gateway")
        backoff.ended("gateway", 0.0)
    assert backoff.asks_for_help("gateway")
    assert backoff.due(LONGEST_WAIT_S) == ["gateway"]


def test_ends_long_after_the_start_never_wait_but_ask_for_a_person_too() -> None:
    backoff = BackOff()
    for end in range(1, ASK_AFTER + 1):
        now_s = end * (STEADY_AFTER_S + 1)
        assert backoff.ended("gateway", now_s) == FIRST_WAIT_S
        assert backoff.asks_for_help("gateway") == (end == ASK_AFTER)
        backoff.started("gateway", now_s)
    assert backoff.ended("gateway", 1000.0) == FIRST_WAIT_S
    assert not backoff.asks_for_help("gateway")


def test_what_a_person_stopped_is_not_started() -> None:
    backoff = BackOff()
    backoff.ended("gateway", 0.0)
    backoff.stopped("gateway")
    assert backoff.due(1e9) == []


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 100)), max_size=80))
def test_every_ended_service_is_due_within_the_longest_wait(ends: list[tuple[str, float]]) -> None:
    backoff = BackOff()
    now_s = 0.0
    for name, later_s in ends:
        now_s += later_s
        backoff.ended(name, now_s)
    assert set(backoff.due(now_s + LONGEST_WAIT_S)) == {name for name, _ in ends}
