"""Where every chunk lies in time, in memory: a day of raw rows is a few hundred chunks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from services.aggregator.chunks import Chunk
from services.aggregator.store_schema import ChunkRow, tuples

RAW = 0


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """A chunk in the file, or one that waits for room in it (`waiting` holds it then)."""

    id: int
    table_id: int
    level: int
    start_us: int
    end_us: int
    rows: int
    samples: int
    size: int
    waiting: Chunk | None = None

    @classmethod
    def of(cls, number: int, table_id: int, level: int, chunk: Chunk, *, waiting: bool = False) -> "ChunkRef":
        """The reference of a chunk that was just made."""
        return cls(
            number,
            table_id,
            level,
            chunk.start_us,
            chunk.end_us,
            chunk.rows,
            chunk.samples,
            chunk.size,
            chunk if waiting else None,
        )

    def stored(self) -> "ChunkRef":
        """The same chunk once it is in the file."""
        return replace(self, waiting=None)


class ChunkIndex:
    """All chunks of a tier by table, and their sums."""

    def __init__(self) -> None:
        self._tables: dict[int, dict[int, ChunkRef]] = {}
        self.samples = 0
        self.size = 0

    def __iter__(self) -> Iterator[ChunkRef]:
        for refs in self._tables.values():
            yield from refs.values()

    def __len__(self) -> int:
        return sum(len(refs) for refs in self._tables.values())

    def load(self, tier: int = RAW) -> None:
        """Fill from the file; runs on the database's thread."""
        fields = (
            ChunkRow.id,
            ChunkRow.table_id,
            ChunkRow.level,
            ChunkRow.start_us,
            ChunkRow.end_us,
            ChunkRow.rows,
            ChunkRow.samples,
            ChunkRow.size,
        )
        for row in tuples(ChunkRow.select(*fields).where(ChunkRow.tier == tier)):
            self.add(ChunkRef(*row))

    def __contains__(self, ref: ChunkRef) -> bool:
        return ref.id in self._tables.get(ref.table_id, {})

    def add(self, ref: ChunkRef) -> None:
        """A chunk that is in the file or waits for it now; in the place of the same one before."""
        self.remove([ref])
        self._tables.setdefault(ref.table_id, {})[ref.id] = ref
        self.samples += ref.samples
        self.size += ref.size

    def remove(self, refs: Iterable[ChunkRef]) -> None:
        """Chunks that are gone; those already gone are left alone."""
        for ref in refs:
            if self._tables.get(ref.table_id, {}).pop(ref.id, None):
                self.samples -= ref.samples
                self.size -= ref.size

    def clear(self) -> None:
        """Nothing is left."""
        self._tables.clear()
        self.samples = self.size = 0

    def of_table(self, table_id: int) -> Iterable[ChunkRef]:
        """Its chunks."""
        return self._tables.get(table_id, {}).values()

    def between(self, table_id: int, start_us: int, end_us: int) -> list[ChunkRef]:
        """A table's chunks that may hold rows in (start, end], by time."""
        found = [r for r in self.of_table(table_id) if r.end_us > start_us and r.start_us <= end_us]
        return sorted(found, key=lambda ref: (ref.start_us, ref.id))

    @property
    def oldest_us(self) -> int:
        """Time of the oldest row, 0 where there is none."""
        return min((ref.start_us for ref in self), default=0)
