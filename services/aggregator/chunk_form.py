"""The form of a chunk: the rows of one line of tables over some time, as a head and a body of columns.

The head says where each column's bytes lie, so a query reads and decodes the columns it needs and no others.
Every column carries its own checksum: SQLite has none, and a disk's flipped bit must become a counted loss,
never a wrong number.

A chunk of few rows has another form: columns as they are, the whole deflated. Ten rows of 126 columns take 1.4 kB
so, and 4.8 kB with a compressor's header and a checksum for each column; a merge brings them into the other form.
"""

import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.aggregator import column_codec
from services.aggregator.column_codec import Floats, Integers, Kind, Unreadable

COLUMNS, DEFLATED = 1, 2
"""The two forms; the head's first byte."""
# Form, columns, rows, checksum of a deflated body; the checksum of all of the head comes behind.
_LEAD = struct.Struct("<BxHII")
_FIELDS_AT = _LEAD.size + 4
MAX_COLUMNS = 0xFFFF

# Two columns stand in front of the series': when each row was, and by how much the boot clock differs.
TIMES, BOOT = 0, 1
LEADING = 2


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

    deflated_check: int | None
    """Checksum of a body that is deflated as a whole; None: it is not, and `checks` are the columns'."""

    @classmethod
    def parse(cls, head: bytes) -> "Head":
        """Raises Unreadable where the head is damaged or of a later version."""
        if len(head) < _FIELDS_AT:
            raise Unreadable("the head is cut short")
        form, columns, rows, body_check = _LEAD.unpack_from(head)
        if form not in (COLUMNS, DEFLATED):
            raise Unreadable(f"the chunk has form {form}; this program reads {COLUMNS} and {DEFLATED}")
        fields = head[_FIELDS_AT:]
        if zlib.crc32(head[: _LEAD.size] + fields) != int.from_bytes(head[_LEAD.size : _FIELDS_AT], "little"):
            raise Unreadable("the head's checksum does not fit")
        if form == DEFLATED:
            fields = zlib.decompress(fields)
        every = columns + LEADING
        ids = np.cumsum(np.frombuffer(fields, np.uint32, columns), dtype=np.uint32)
        lengths = np.frombuffer(fields, np.uint32, every, 4 * columns)
        checks = np.frombuffer(fields, np.uint32, every, 4 * (columns + every))
        kinds = np.frombuffer(fields, np.uint8, every, 4 * (columns + 2 * every))
        offsets = np.zeros(every + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        return cls(rows, ids, kinds, offsets, checks, body_check if form == DEFLATED else None)

    def find(self, series_id: int) -> int:
        """The column of a series, −1 where the chunk has none."""
        at = int(np.searchsorted(self.ids, series_id))
        return at + LEADING if at < len(self.ids) and self.ids[at] == series_id else -1

    def extent(self, column: int) -> tuple[int, int]:
        """Where a column's bytes lie in the body: [from, to)."""
        return int(self.offsets[column]), int(self.offsets[column + 1])

    @property
    def body_size(self) -> int:
        """Bytes of the body, inflated."""
        return int(self.offsets[-1])

    def inflate(self, body: bytes) -> bytes:
        """The body as its columns' extents count it; raises Unreadable where it is damaged."""
        if self.deflated_check is None:
            return body
        if zlib.crc32(body) != self.deflated_check:
            raise Unreadable("the body's checksum does not fit")
        return zlib.decompress(body)


def decode_column(head: Head, column: int, part: bytes) -> Floats:
    """A series' values, NaN absent, from the column's own bytes; raises Unreadable where they are damaged."""
    _check(head, column, part)
    return column_codec.decode(int(head.kinds[column]), part, head.rows)


def decode_times(head: Head, column: int, part: bytes) -> Integers:
    """TIMES: wall clock µs of each row; BOOT: what to add to them for CLOCK_BOOTTIME. Raises Unreadable."""
    _check(head, column, part)
    if head.kinds[column] == Kind.RAW:
        return np.frombuffer(part, np.int64, head.rows)
    return column_codec.decode_integers(part, head.rows)


def _check(head: Head, column: int, part: bytes) -> None:
    if head.deflated_check is None and zlib.crc32(part) != head.checks[column]:
        raise Unreadable(f"column {column} fails its checksum")


def verify(head: bytes, body: bytes) -> bool:
    """Whether every checksum of a stored chunk fits."""
    try:
        parsed = Head.parse(head)
        parsed.inflate(body)
    except Unreadable:
        return False
    edges = parsed.offsets.tolist()
    return parsed.deflated_check is not None or all(
        zlib.crc32(body[start:end]) == check
        for start, end, check in zip(edges, edges[1:], parsed.checks.tolist(), strict=False)
    )


class Stored(NamedTuple):
    """One column as a chunk holds it."""

    series_id: int  # 0: times and boot offsets
    kind: int
    body: bytes


def write(form: int, rows: int, columns: Sequence[Stored]) -> tuple[bytes, bytes]:
    """(head, body) of columns, times and boot offsets first, the series' by ascending number."""
    count = len(columns) - LEADING
    if count > MAX_COLUMNS:
        raise ValueError(f"{count} columns in one chunk; at most {MAX_COLUMNS} fit")
    ids = np.array([column.series_id for column in columns[LEADING:]], np.uint32)
    whole = form == DEFLATED
    fields = b"".join(
        (
            np.diff(ids, prepend=np.uint32(0)).astype(np.uint32).tobytes(),
            np.array([len(column.body) for column in columns], np.uint32).tobytes(),
            np.array([0 if whole else zlib.crc32(column.body) for column in columns], np.uint32).tobytes(),
            np.array([column.kind for column in columns], np.uint8).tobytes(),
        )
    )
    body = b"".join(column.body for column in columns)
    if whole:
        fields, body = zlib.compress(fields, 6), zlib.compress(body, 6)
    lead = _LEAD.pack(form, count, rows, zlib.crc32(body) if whole else 0)
    return lead + zlib.crc32(lead + fields).to_bytes(4, "little") + fields, body
