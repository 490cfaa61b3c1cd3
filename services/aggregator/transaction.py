"""What goes to the file together: chunks, the cursors they reach up to, and what was given up on the way."""

from dataclasses import dataclass, field
from typing import NamedTuple

from bus.series import Series
from services.aggregator.batch import Floats, TableKey, Times
from services.aggregator.chunk_index import RAW, ChunkRef
from services.aggregator.dictionary import Column, Dictionary, Table
from services.aggregator.inbox import Position
from services.aggregator.store_schema import ChunkRow, CursorRow, LossRow


class RowBlock(NamedTuple):
    """Rows of one table to be written. `values` has shape (series, rows), NaN absent."""

    key: TableKey
    rate_hz: float
    series: tuple[Series, ...]
    times_us: Times
    boot_us: Times
    values: Floats


class Loss(NamedTuple):
    """Samples that were accepted, or missed, and are gone."""

    reason: str  # disk_full, unreadable, quarantined, gap
    what: str
    samples: int


@dataclass(slots=True)
class Transaction:
    """Filled in the event loop, written on the database's thread."""

    chunks: list[ChunkRef] = field(default_factory=list)
    removed: list[ChunkRef] = field(default_factory=list)
    cursors: dict[str, Position] = field(default_factory=dict)
    losses: list[Loss] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.chunks or self.removed or self.cursors or self.losses)

    def reach(self, producer: str, cursor: Position) -> None:
        """A cursor only moves on."""
        self.cursors[producer] = max(cursor, self.cursors.get(producer, cursor))

    def followed_by(self, later: "Transaction") -> "Transaction":
        """Both in one."""
        both = Transaction(
            [*self.chunks, *later.chunks],
            [*self.removed, *later.removed],
            dict(self.cursors),
            [*self.losses, *later.losses],
        )
        for producer, cursor in later.cursors.items():
            both.reach(producer, cursor)
        return both

    def write(self, tables: list[Table], columns: list[Column], now_us: int) -> None:
        """Runs inside a transaction of the database. Writing the same once more changes nothing but losses."""
        # First what goes: its pages are there for what comes.
        if self.removed:
            ChunkRow.delete().where(ChunkRow.id.in_([ref.id for ref in self.removed])).execute()
        Dictionary.save(tables, columns)
        for ref in self.chunks:
            chunk = ref.waiting
            if chunk is None:
                raise ValueError(f"chunk {ref.id} is in the file already")
            ChunkRow.insert(
                id=ref.id,
                tier=RAW,
                level=ref.level,
                line=ref.line,
                start_us=ref.start_us,
                end_us=ref.end_us,
                rows=ref.rows,
                samples=ref.samples,
                size=ref.size,
                head=chunk.head,
                body=chunk.body,
            ).on_conflict_replace().execute()
        for producer, cursor in self.cursors.items():
            row = CursorRow.insert(producer=producer, epoch=cursor.epoch, seq=cursor.seq)
            row.on_conflict_replace().execute()
        for loss in self.losses:
            LossRow.insert(time_us=now_us, **loss._asdict()).execute()
