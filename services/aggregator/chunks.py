"""Chunks made of rows, and of other chunks."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from services.aggregator import chunk_form, column_codec, timeline
from services.aggregator.chunk_form import BOOT, TIMES, Chunk, Head, Stored, decode_column, decode_times
from services.aggregator.column_codec import Floats, Integers, Kind
from services.aggregator.timeline import Clock

# Below, a column's own compressor costs more than it saves (see chunk_form.py).
FEW_ROWS = 32


class ChunkBuilder:
    """Takes a chunk's columns one by one, so that a large one never stands decoded as a whole."""

    def __init__(self, times_us: Integers, boot_us: Integers, *, thorough: bool = False) -> None:
        self._rows = len(times_us)
        self._thorough = thorough
        self._few = self._rows <= FEW_ROWS and not thorough
        self._samples = 0
        self._span = int(times_us.min()), int(times_us.max())
        self._columns: list[Stored] = []
        self._leading = [self._integers(times_us), self._integers(boot_us - times_us)]

    def _integers(self, values: Integers) -> Stored:
        values = np.ascontiguousarray(values)
        if self._few:
            return Stored(0, Kind.RAW, values.tobytes())
        return Stored(0, Kind.INTEGERS, column_codec.encode_integers(values))

    def add(self, series_id: int, values: Floats) -> None:
        """A series' values, one a row. A column without any value takes no room at all."""
        there = self._rows - int(np.count_nonzero(np.isnan(values)))
        if not there:
            return
        self._samples += there
        if self._few:
            self._columns.append(Stored(series_id, Kind.RAW, values.tobytes()))
        else:
            self._columns.append(Stored(series_id, *column_codec.encode(values, thorough=self._thorough)))

    def build(self) -> Chunk:
        """The chunk; raises ValueError above 65,535 columns."""
        columns = [*self._leading, *sorted(self._columns)]
        form = chunk_form.DEFLATED if self._few else chunk_form.COLUMNS
        head, body = chunk_form.write(form, self._rows, columns)
        return Chunk(head, body, self._rows, self._samples, *self._span)


class Piece(NamedTuple):
    """Rows under one list of columns. `values` has shape (columns, rows), NaN absent."""

    times_us: Integers
    boot_us: Integers
    ids: Sequence[int]
    values: Floats


class Source(NamedTuple):
    """A stored chunk, whole, to be merged."""

    head: Head
    body: bytes

    @classmethod
    def of(cls, head: bytes, body: bytes) -> "Source":
        """Raises Unreadable where head or body are damaged as a whole."""
        parsed = Head.parse(head)
        return cls(parsed, parsed.inflate(body))

    def part(self, column: int) -> bytes:
        """The bytes of a column."""
        start, end = self.head.extent(column)
        return self.body[start:end]


def pack(pieces: Sequence[Piece]) -> Chunk:
    """One chunk of pieces of the same line; columns may change on the way, as those of processes do each second."""
    columns: dict[int, list[tuple[int, Floats]]] = {}
    for number, piece in enumerate(pieces):
        for series_id, values in zip(piece.ids, piece.values, strict=True):
            columns.setdefault(series_id, []).append((number, values))
    clocks = [(piece.times_us, piece.boot_us) for piece in pieces]
    return _assemble(clocks, lambda: columns.items(), thorough=False)


def merge(chunks: Sequence[Source]) -> Chunk:
    """One chunk of several of the same line; raises Unreadable where one is damaged.

    A column at a time: an hour of a wide table would be 30 MB decoded, a column of it is 300 kB.
    """
    clocks = []
    for chunk in chunks:
        times_us = decode_times(chunk.head, TIMES, chunk.part(TIMES))
        clocks.append((times_us, times_us + decode_times(chunk.head, BOOT, chunk.part(BOOT))))

    def columns() -> Iterator[tuple[int, list[tuple[int, Floats]]]]:
        for series_id in np.unique(np.concatenate([chunk.head.ids for chunk in chunks])).tolist():
            found = [(number, chunk, chunk.head.find(series_id)) for number, chunk in enumerate(chunks)]
            yield (
                series_id,
                [(n, decode_column(chunk.head, at, chunk.part(at))) for n, chunk, at in found if at >= 0],
            )

    return _assemble(clocks, columns, thorough=True)


def _assemble(
    clocks: Sequence[Clock], columns: Callable[[], Iterable[tuple[int, list[tuple[int, Floats]]]]], *, thorough: bool
) -> Chunk:
    for layout in (timeline.shared(clocks), timeline.one_after_the_other(clocks)):
        builder = ChunkBuilder(layout.times_us, layout.boot_us, thorough=thorough)
        try:
            for series_id, pieces in columns():
                builder.add(series_id, timeline.place(layout, pieces))
        except timeline.Taken:
            continue  # one series twice in one row: every row stands for itself then
        return builder.build()
    raise AssertionError("rows that stand for themselves cannot be taken")
