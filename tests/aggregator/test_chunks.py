"""Chunks: any rows come back; a merge is the rows one after the other; damage is seen."""

from itertools import accumulate

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from services.aggregator.chunks import (
    BOOT,
    TIMES,
    Chunk,
    Head,
    Piece,
    Source,
    Unreadable,
    decode_column,
    decode_times,
    merge,
    pack,
    verify,
)

numbers = st.one_of(st.just(np.nan), st.integers(-3, 3).map(float), st.floats(allow_nan=False, allow_infinity=True))


@st.composite
def tables(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, list[int], np.ndarray]:
    rows = draw(st.integers(1, 40))
    ids = sorted(draw(st.sets(st.integers(1, 70_000), min_size=1, max_size=6)))
    times = np.array(draw(st.lists(st.integers(-(2**60), 2**60), min_size=rows, max_size=rows)), np.int64)
    boot = times - draw(st.integers(-(2**60), 2**60)) + draw(hnp.arrays(np.int64, rows, elements=st.integers(0, 9)))
    return times, boot, ids, draw(hnp.arrays(np.float64, (len(ids), rows), elements=numbers))


def columns_of(chunk: Chunk) -> dict[int, np.ndarray]:
    head = Head.parse(chunk.head)
    source = Source(head, chunk.body)
    return {int(i): decode_column(head, head.find(int(i)), source.part(head.find(int(i)))) for i in head.ids}


def times_of(chunk: Chunk, column: int = TIMES) -> np.ndarray:
    head = Head.parse(chunk.head)
    return decode_times(head, column, Source(head, chunk.body).part(column))


@given(tables())
def test_what_is_packed_comes_back(table: tuple[np.ndarray, np.ndarray, list[int], np.ndarray]) -> None:
    times, boot, ids, values = table
    chunk = pack([Piece(times, boot, ids, values)])
    assert np.array_equal(times_of(chunk), times)
    assert np.array_equal(times_of(chunk) + times_of(chunk, BOOT), boot)
    assert (chunk.rows, chunk.start_us, chunk.end_us) == (len(times), times.min(), times.max())
    assert chunk.samples == np.count_nonzero(~np.isnan(values))
    back = columns_of(chunk)
    for series_id, column in zip(ids, values, strict=True):
        # A column without a value takes no room, and is absent as a whole.
        found = back.get(series_id, np.full(len(times), np.nan))
        assert np.array_equal(found, column, equal_nan=True)
        assert np.array_equal(np.signbit(found), np.signbit(column)) or np.isnan(column).any()
    assert verify(chunk.head, chunk.body)


@given(st.lists(tables(), min_size=1, max_size=4))
def test_a_merge_is_the_rows_one_after_the_other(
    parts: list[tuple[np.ndarray, np.ndarray, list[int], np.ndarray]],
) -> None:
    chunks = [pack([Piece(*part)]) for part in parts]
    merged = merge([Source(Head.parse(chunk.head), chunk.body) for chunk in chunks])
    assert merged.samples == sum(chunk.samples for chunk in chunks)
    assert np.array_equal(times_of(merged), np.concatenate([times for times, _, _, _ in parts]))
    starts = [0, *accumulate(chunk.rows for chunk in chunks)]
    for series_id, column in columns_of(merged).items():
        for (times, _, ids, values), start in zip(parts, starts, strict=False):
            there = values[ids.index(series_id)] if series_id in ids else np.full(len(times), np.nan)
            assert np.array_equal(column[start : start + len(times)], there, equal_nan=True)


@given(st.lists(tables(), min_size=1, max_size=4))
def test_rows_whose_columns_change_are_packed_as_a_merge_would(
    parts: list[tuple[np.ndarray, np.ndarray, list[int], np.ndarray]],
) -> None:
    packed = pack([Piece(*part) for part in parts])
    apart = [pack([Piece(*part)]) for part in parts]
    merged = merge([Source(Head.parse(chunk.head), chunk.body) for chunk in apart])
    assert packed[2:] == merged[2:]
    assert np.array_equal(times_of(packed), times_of(merged))
    back, expected = columns_of(packed), columns_of(merged)
    assert back.keys() == expected.keys()
    assert all(np.array_equal(back[one], expected[one], equal_nan=True) for one in back)


@pytest.fixture
def chunk() -> Chunk:
    rows = np.arange(500, dtype=np.int64)
    random = np.random.default_rng(1)
    return pack([Piece(rows * 100_000, rows * 100_000 - 7, [3, 8], random.normal(size=(2, 500)))])


def test_every_flipped_bit_is_seen(chunk: Chunk) -> None:
    whole = chunk.head + chunk.body
    for at in range(0, len(whole), 7):
        damaged = bytearray(whole)
        damaged[at] ^= 1 << (at % 8)
        head, body = bytes(damaged[: len(chunk.head)]), bytes(damaged[len(chunk.head) :])
        # Byte 1 is padding: it says nothing, but it is checked all the same.
        assert not verify(head, body), f"byte {at}"


def test_a_damaged_column_leaves_the_others_readable(chunk: Chunk) -> None:
    head = Head.parse(chunk.head)
    body = bytearray(chunk.body)
    body[-1] ^= 1
    source = Source(head, bytes(body))
    assert len(decode_column(head, head.find(3), source.part(head.find(3)))) == 500
    with pytest.raises(Unreadable, match="checksum"):
        decode_column(head, head.find(8), source.part(head.find(8)))


@pytest.mark.parametrize("head", [b"", b"\x01", bytes(40), b"\x02" + bytes(40)])
def test_a_head_that_is_none_is_unreadable(head: bytes) -> None:
    with pytest.raises(Unreadable):
        Head.parse(head)
    assert not verify(head, b"")


def test_a_series_the_chunk_does_not_have_is_not_found(chunk: Chunk) -> None:
    head = Head.parse(chunk.head)
    assert [head.find(n) for n in (0, 1, 4, 9, 4_000_000_000)] == [-1] * 5
