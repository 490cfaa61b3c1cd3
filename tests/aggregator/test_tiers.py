"""What is merged when, and what has to go."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.chunk_index import ChunkRef
from services.aggregator.tiers import HOUR_US, LATE_US, MAX_ROWS, Limits, next_merge, to_cut
from tests.aggregator.blocks import T0

TEN_MINUTES_US = HOUR_US // 6


def ref(number: int, start_us: int, end_us: int = 0, *, level: int = 0, rows: int = 100, size: int = 1000) -> ChunkRef:
    return ChunkRef(number, 1, level, start_us, end_us or start_us + 9_900_000, rows, rows, size)


def test_ten_minutes_are_merged_when_they_are_over_and_late_rows_had_their_time() -> None:
    refs = [ref(n, T0 + n * 10_000_000) for n in range(61)]
    over = T0 + TEN_MINUTES_US + LATE_US
    assert next_merge(refs, over - 1) == []
    assert next_merge(refs, over) == refs[:60]


def test_the_hour_is_merged_of_what_became_ten_minutes() -> None:
    tens = [ref(n, T0 + n * TEN_MINUTES_US, level=1) for n in range(6)]
    late = ref(9, T0 + HOUR_US, level=0)
    assert next_merge([*tens, late], T0 + HOUR_US + LATE_US) == tens


def test_what_a_stopped_service_left_is_merged_oldest_first() -> None:
    old = [ref(1, T0), ref(2, T0 + 10_000_000)]
    new = [ref(3, T0 + 5 * HOUR_US)]
    assert next_merge([*new, *old], T0 + 9 * HOUR_US) == old


def test_an_hour_is_never_merged_again() -> None:
    assert next_merge([ref(1, T0, level=2), ref(2, T0 + 1, level=2)], T0 + 99 * HOUR_US) == []


def test_a_merge_is_bounded_in_rows_but_takes_one_chunk_at_least() -> None:
    refs = [ref(n, T0 + n, rows=MAX_ROWS // 2) for n in range(5)]
    assert next_merge(refs, T0 + 9 * HOUR_US) == refs[:2]
    assert next_merge([ref(1, T0, rows=3 * MAX_ROWS)], T0 + 9 * HOUR_US) == [ref(1, T0, rows=3 * MAX_ROWS)]


def test_what_is_too_old_goes_and_the_rest_stays() -> None:
    refs = [ref(n, T0 + n * HOUR_US, T0 + (n + 1) * HOUR_US - 1) for n in range(30)]
    assert to_cut(refs, T0 + 30 * HOUR_US, Limits(raw_max_age_h=24)) == refs[:6]
    assert to_cut(refs, T0 + 30 * HOUR_US, Limits(raw_max_age_h=24), most=2) == refs[:2]


@pytest.mark.parametrize(("budget", "kept"), [(4_000_000, 10), (4 * 3000, 3), (4 * 2999, 2), (0, 0)])
def test_the_oldest_go_until_the_rest_fits_a_quarter_of_the_budget(budget: int, kept: int) -> None:
    refs = [ref(n, T0 + n * HOUR_US) for n in range(10)]
    assert to_cut(refs, T0 + 10 * HOUR_US, Limits(budget_bytes=budget)) == refs[: 10 - kept]


@given(st.lists(st.tuples(st.integers(0, 100), st.integers(1, 50)), max_size=30), st.integers(0, 1000))
def test_after_cutting_nothing_is_over_and_nothing_went_in_vain(chunks: list[tuple[int, int]], quarter: int) -> None:
    refs = [ref(n, T0 + hour * HOUR_US, size=size) for n, (hour, size) in enumerate(chunks)]
    limits = Limits(budget_bytes=4 * quarter, raw_max_age_h=50)
    now_us = T0 + 100 * HOUR_US
    cut = to_cut(refs, now_us, limits)
    kept = [one for one in refs if one not in cut]
    assert sum(one.size for one in kept) <= quarter
    assert all(one.end_us >= now_us - limits.raw_max_age_us for one in kept)
    assert not kept or not cut or max(c.end_us for c in cut) <= min(k.end_us for k in kept)
    if cut and cut[-1].end_us >= now_us - limits.raw_max_age_us:
        assert sum(one.size for one in [*kept, cut[-1]]) > quarter
