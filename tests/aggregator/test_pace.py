"""When live frames leave: rows on their turn, tokens sooner."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.pace import FRAME_S, LINGER_S, TOKENS_S, FramePace


def frames(news: list[tuple[float, bool]]) -> list[tuple[float, bool, float]]:
    """(when it left, whether it held tokens, when the first news in it came) of frames that news in order ask for."""
    pace, found = FramePace(), []
    due_s, tokens, first_s = float("inf"), False, 0.0
    for at_s, is_tokens in [*news, (float("inf"), False)]:
        if due_s < at_s:
            pace.left(due_s, tokens=tokens)
            found.append((due_s, tokens, first_s))
            due_s, tokens = float("inf"), False
        if at_s == float("inf"):
            break
        if due_s == float("inf"):
            first_s = at_s
        due_s, tokens = min(due_s, pace.due_s(at_s, tokens=is_tokens)), tokens or is_tokens
    return found


def test_a_token_does_not_wait_for_the_turn_of_rows() -> None:
    row, token = 10.0, 10.005
    assert frames([(row, False), (token, True)])[1] == (pytest.approx(token + LINGER_S), True, token)


def test_a_whole_tick_leaves_at_once_but_on_its_turn() -> None:
    pace = FramePace()
    assert pace.due_s(10.0, whole=True) == 10.0
    pace.left(10.0, tokens=False)
    assert pace.due_s(10.001, whole=True) == pytest.approx(10.0 + FRAME_S)


def test_rows_that_wait_leave_with_a_token() -> None:
    assert len(frames([(10.0, False), (10.004, False), (10.006, True), (10.0065, False)])) == 2


def test_bursts_that_the_tap_gathers_pass_one_by_one() -> None:
    bursts = [10.0 + 0.016 * at for at in range(60)]
    assert [left_s for left_s, _, _ in frames([(at_s, True) for at_s in bursts])] == pytest.approx(
        [at_s + LINGER_S for at_s in bursts]
    )


NEWS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), max_size=200).map(sorted)


@given(NEWS)
def test_neither_leaves_more_often_than_it_may(news: list[tuple[float, bool]]) -> None:
    left = frames(news)
    with_tokens = [left_s for left_s, tokens, _ in left if tokens]
    assert all(after - before >= TOKENS_S - 1e-9 for before, after in pairwise(with_tokens))
    assert all(after[0] - before[0] >= FRAME_S - 1e-9 for before, after in pairwise(left) if not after[1])


@given(NEWS)
def test_nothing_waits_longer_than_a_frame(news: list[tuple[float, bool]]) -> None:
    assert all(left_s - first_s <= FRAME_S + LINGER_S for left_s, _, first_s in frames(news))
