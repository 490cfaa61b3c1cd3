"""Chunks: any rows come back; a merge is the rows one after the other; damage is seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from services.aggregator.chunk_form import (
    BOOT,
    COLUMNS,
    DEFLATED,
    TIMES,
    Chunk,
    Head,
    Unreadable,
    decode_column,
    decode_times,
    verify,
)
from services.aggregator.chunks import FEW_ROWS, Piece, Source, merge, pack
from tests.aggregator.blocks import T0

Table = tuple[np.ndarray, np.ndarray, list[int], np.ndarray]  # times, boot times, series, values
Sample = tuple[int, int, int, int]

numbers = st.one_of(st.just(np.nan), st.integers(-3, 3).map(float), st.floats(allow_nan=False, allow_infinity=True))


@st.composite
def tables(draw: st.DrawFn) -> Table:
    rows = draw(st.integers(1, 40))
    ids = sorted(draw(st.sets(st.sampled_from([1, 2, 3, 70_000]), min_size=1)))
    moments = draw(st.sampled_from([st.integers(0, 20), st.integers(-(2**60), 2**60)]))
    times = np.array(draw(st.lists(moments, min_size=rows, max_size=rows)), np.int64)
    boot = times - draw(st.sampled_from([7, -(2**60)])) + draw(hnp.arrays(np.int64, rows, elements=st.integers(0, 1)))
    return times, boot, ids, draw(hnp.arrays(np.float64, (len(ids), rows), elements=numbers))


def columns_of(chunk: Chunk) -> dict[int, np.ndarray]:
    source = Source.of(chunk.head, chunk.body)
    head = source.head
    return {int(i): decode_column(head, head.find(int(i)), source.part(head.find(int(i)))) for i in head.ids}


def times_of(chunk: Chunk, column: int = TIMES) -> np.ndarray:
    source = Source.of(chunk.head, chunk.body)
    return decode_times(source.head, column, source.part(column))


def samples_in(times: np.ndarray, boot: np.ndarray, columns: dict[int, np.ndarray]) -> list[Sample]:
    """(wall clock, boot clock, series, bits of the value) of every value that is there."""
    return sorted(
        (int(t), int(b), series, int(v.view(np.int64)))
        for series, values in columns.items()
        for t, b, v in zip(times, boot, values, strict=True)
        if not np.isnan(v)
    )


def samples_of(chunk: Chunk) -> list[Sample]:
    return samples_in(times_of(chunk), times_of(chunk) + times_of(chunk, BOOT), columns_of(chunk))


def samples_sent(parts: list[Table]) -> list[Sample]:
    return sorted(s for t, b, ids, v in parts for s in samples_in(t, b, dict(zip(ids, v, strict=True))))


@given(st.lists(tables(), min_size=1, max_size=4))
def test_every_sample_that_is_packed_comes_back_and_no_other(parts: list[Table]) -> None:
    chunk = pack([Piece(*part) for part in parts])
    assert samples_of(chunk) == samples_sent(parts)
    assert chunk.samples == len(samples_sent(parts))
    times = np.concatenate([times for times, _, _, _ in parts])
    assert (chunk.start_us, chunk.end_us) == (times.min(), times.max())
    assert set(times_of(chunk).tolist()) == set(times.tolist())
    assert verify(chunk.head, chunk.body)


@given(st.lists(tables(), min_size=1, max_size=4))
def test_a_merge_holds_every_sample_of_its_chunks(parts: list[Table]) -> None:
    chunks = [pack([Piece(*part)]) for part in parts]
    merged = merge([Source.of(chunk.head, chunk.body) for chunk in chunks])
    assert samples_of(merged) == samples_sent(parts)
    assert merged.samples == sum(chunk.samples for chunk in chunks)


def test_tables_read_on_the_same_tick_share_its_row() -> None:
    times = T0 + 100_000 * np.arange(10, dtype=np.int64)
    values = np.arange(10.0)[None, :]
    late = Piece(times[3:], times[3:] - 7, [2], values[:, 3:])
    chunk = pack([Piece(times, times - 7, [1], values), late])
    assert chunk.rows == 10
    assert np.isnan(columns_of(chunk)[2][:3]).all()
    assert chunk.samples == 17


def test_one_series_twice_at_the_same_moment_keeps_both_values() -> None:
    times = np.full(2, T0, np.int64)
    one = Piece(times, times, [1], np.array([[1.0, 2.0]]))
    assert pack([one]).rows == 2
    chunk = pack([one, one])
    assert chunk.rows == 4
    assert sorted(columns_of(chunk)[1].tolist()) == [1.0, 1.0, 2.0, 2.0]


@pytest.fixture(params=[FEW_ROWS, 500])
def any_chunk(request: pytest.FixtureRequest) -> Chunk:
    return normal(request.param)


@pytest.fixture
def chunk() -> Chunk:
    return normal(500)


def normal(count: int) -> Chunk:
    rows = np.arange(count, dtype=np.int64)
    random = np.random.default_rng(1)
    return pack([Piece(rows * 100_000, rows * 100_000 - 7, [3, 8], random.normal(size=(2, count)))])


def test_few_rows_of_many_columns_are_deflated_as_a_whole_and_a_merge_ends_that() -> None:
    times = T0 + 1_000_000 * np.arange(10, dtype=np.int64)
    values = np.round(np.random.default_rng(2).normal(50, 5, size=(126, 10)), 1)
    chunk = pack([Piece(times, times - 7, range(1, 127), values)])
    assert chunk.head[0] == DEFLATED
    assert chunk.size < 3000
    merged = merge([Source.of(chunk.head, chunk.body)])
    assert merged.head[0] == COLUMNS
    assert samples_of(merged) == samples_of(chunk)


def test_every_flipped_bit_is_seen(any_chunk: Chunk) -> None:
    chunk = any_chunk
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


@pytest.mark.parametrize("head", [b"", b"\x01", bytes(40), b"\x02" + bytes(40), b"\x03" + bytes(40)])
def test_a_head_that_is_none_is_unreadable(head: bytes) -> None:
    with pytest.raises(Unreadable):
        Head.parse(head)
    assert not verify(head, b"")


def test_a_series_the_chunk_does_not_have_is_not_found(chunk: Chunk) -> None:
    head = Head.parse(chunk.head)
    assert [head.find(n) for n in (0, 1, 4, 9, 4_000_000_000)] == [-1] * 5
