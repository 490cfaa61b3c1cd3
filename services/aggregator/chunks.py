"""A chunk: the rows of one line of tables over some time, as a small head and a body of independent columns.

The head says where each column's bytes lie, so a query reads and decodes the columns it needs and no others.
Every column carries its own checksum: SQLite has none, and a disk's flipped bit must become a counted loss,
never a wrong number.
"""

import struct
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator import column_codec, timeline
from services.aggregator.column_codec import Floats, Integers, Unreadable
from services.aggregator.timeline import Clock

__all__ = ["Chunk", "ChunkBuilder", "Floats", "Head", "Integers", "Piece", "Unreadable", "decode_column", "pack"]

_VERSION = 1
_LEAD = struct.Struct("<BxHI")  # version, columns, rows; the checksum of all that follows comes behind
MAX_COLUMNS = 0xFFFF

# Two columns stand in front of the series': when each row was, and by how much the boot clock differs.
TIMES, BOOT = 0, 1
_LEADING = 2


class Chunk(NamedTuple):
    """A chunk as it is stored."""

    head: bytes
    body: bytes
    rows: int
    samples: int  # values that are there
    start_us: int  # earliest row, wall clock
    end_us: int  # latest row

    @property
    def size(self) -> int:
        """Bytes of it."""
        return len(self.head) + len(self.body)


@dataclass(frozen=True, slots=True)
class Head:
    """Where a chunk's columns lie in its body."""

    rows: int
    ids: NDArray[np.uint32]  # of the series' columns, ascending
    kinds: NDArray[np.uint8]  # of all columns, times and boot offsets first
    offsets: NDArray[np.int64]  # one more than columns: column k is body[offsets[k]:offsets[k + 1]]
    checks: NDArray[np.uint32]

    @classmethod
    def parse(cls, head: bytes) -> "Head":
        """Raises Unreadable where the head is damaged or of a later version."""
        if len(head) < _LEAD.size + 4:
            raise Unreadable("the head is cut short")
        version, columns, rows = _LEAD.unpack_from(head)
        if version != _VERSION:
            raise Unreadable(f"the head has version {version}; this program reads {_VERSION}")
        fields, checked = head[_LEAD.size + 4 :], head[: _LEAD.size] + head[_LEAD.size + 4 :]
        if zlib.crc32(checked) != int.from_bytes(head[_LEAD.size : _LEAD.size + 4], "little"):
            raise Unreadable("the head's checksum does not fit")
        every = columns + _LEADING
        ids = np.frombuffer(fields, np.uint32, columns)
        lengths = np.frombuffer(fields, np.uint32, every, 4 * columns)
        checks = np.frombuffer(fields, np.uint32, every, 4 * (columns + every))
        kinds = np.frombuffer(fields, np.uint8, every, 4 * (columns + 2 * every))
        offsets = np.zeros(every + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(rows, ids, kinds, offsets, checks)

    def find(self, series_id: int) -> int:
        """The column of a series, −1 where the chunk has none."""
        at = int(np.searchsorted(self.ids, series_id))
        return at + _LEADING if at < len(self.ids) and self.ids[at] == series_id else -1

    def extent(self, column: int) -> tuple[int, int]:
        """Where a column's bytes lie in the body: [from, to)."""
        return int(self.offsets[column]), int(self.offsets[column + 1])

    @property
    def body_size(self) -> int:
        """Bytes of the body."""
        return int(self.offsets[-1])


def decode_column(head: Head, column: int, part: bytes) -> Floats:
    """A series' values, NaN absent, from the column's own bytes; raises Unreadable where they are damaged."""
    _check(head, column, part)
    return column_codec.decode(int(head.kinds[column]), part, head.rows)


def decode_times(head: Head, column: int, part: bytes) -> Integers:
    """TIMES: wall clock µs of each row; BOOT: what to add to them for CLOCK_BOOTTIME. Raises Unreadable."""
    _check(head, column, part)
    return column_codec.decode_integers(part, head.rows)


def _check(head: Head, column: int, part: bytes) -> None:
    if zlib.crc32(part) != head.checks[column]:
        raise Unreadable(f"column {column} fails its checksum")


def verify(head: bytes, body: bytes) -> bool:
    """Whether every checksum of a stored chunk fits."""
    try:
        parsed = Head.parse(head)
    except Unreadable:
        return False
    edges = parsed.offsets.tolist()
    return all(
        zlib.crc32(body[start:end]) == check
        for start, end, check in zip(edges, edges[1:], parsed.checks.tolist(), strict=False)
    )


class ChunkBuilder:
    """Takes a chunk's columns one by one, so that a large one never stands decoded as a whole."""

    def __init__(self, times_us: Integers, boot_us: Integers, *, thorough: bool = False) -> None:
        self._rows = len(times_us)
        self._thorough = thorough
        self._samples = 0
        self._span = int(times_us.min()), int(times_us.max())
        self._columns: list[tuple[int, int, bytes]] = []
        self._leading = [
            (0, column_codec.encode_integers(np.ascontiguousarray(times_us))),
            (0, column_codec.encode_integers(boot_us - times_us)),
        ]

    def add(self, series_id: int, values: Floats) -> None:
        """A series' values, one a row. A column without any value takes no room at all."""
        kind, body = column_codec.encode(values, thorough=self._thorough)
        if kind != column_codec.Kind.ABSENT:
            self._samples += self._rows - int(np.count_nonzero(np.isnan(values)))
            self._columns.append((series_id, kind, body))

    def build(self) -> Chunk:
        """The chunk; raises ValueError above 65,535 columns."""
        if len(self._columns) > MAX_COLUMNS:
            raise ValueError(f"{len(self._columns)} columns in one table; at most {MAX_COLUMNS} fit a chunk")
        self._columns.sort(key=lambda column: column[0])
        parts = [body for _, body in self._leading] + [body for _, _, body in self._columns]
        kinds = [kind for kind, _ in self._leading] + [kind for _, kind, _ in self._columns]
        lead = _LEAD.pack(_VERSION, len(self._columns), self._rows)
        fields = b"".join(
            (
                np.array([series_id for series_id, _, _ in self._columns], np.uint32).tobytes(),
                np.array([len(part) for part in parts], np.uint32).tobytes(),
                np.array([zlib.crc32(part) for part in parts], np.uint32).tobytes(),
                np.array(kinds, np.uint8).tobytes(),
            )
        )
        head = lead + zlib.crc32(lead + fields).to_bytes(4, "little") + fields
        return Chunk(head, b"".join(parts), self._rows, self._samples, *self._span)


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
