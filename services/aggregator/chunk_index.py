"""Where every chunk lies in time, in memory: a day of raw rows is a few hundred chunks."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from services.aggregator.chunk_form import Chunk
from services.aggregator.store_schema import ChunkRow, tuples

RAW = 0


@dataclass(frozen=True, slots=True)
class ChunkRef:
    """A chunk in the file, or one that waits for room in it (`waiting` holds it then)."""

    id: int
    line: int
    level: int
    start_us: int
    end_us: int
    rows: int
    samples: int
    size: int
    waiting: Chunk | None = None

    @classmethod
    def of(cls, number: int, line: int, level: int, chunk: Chunk, *, waiting: bool = False) -> "ChunkRef":
        """The reference of a chunk that was just made."""
        return cls(
            number,
            line,
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
    """All chunks of a tier by line, and their sums."""

    def __init__(self) -> None:
        self._lines: dict[int, dict[int, ChunkRef]] = {}
        self.samples = 0
        self.size = 0

    def __iter__(self) -> Iterator[ChunkRef]:
        for refs in self._lines.values():
            yield from refs.values()

    def __len__(self) -> int:
        return sum(len(refs) for refs in self._lines.values())

    def load(self, tier: int = RAW) -> None:
        """Fill from the file; runs on the database's thread."""
        fields = (
            ChunkRow.id,
            ChunkRow.line,
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
        return ref.id in self._lines.get(ref.line, {})

    def add(self, ref: ChunkRef) -> None:
        """A chunk that is in the file or waits for it now; in the place of the same one before."""
        self.remove([ref])
        self._lines.setdefault(ref.line, {})[ref.id] = ref
        self.samples += ref.samples
        self.size += ref.size

    def remove(self, refs: Iterable[ChunkRef]) -> None:
        """Chunks that are gone; those already gone are left alone."""
        for ref in refs:
            if self._lines.get(ref.line, {}).pop(ref.id, None):
                self.samples -= ref.samples
                self.size -= ref.size

    def clear(self) -> None:
        """Nothing is left."""
        self._lines.clear()
        self.samples = self.size = 0

    @property
    def lines(self) -> list[int]:
        """The lines that have chunks."""
        return list(self._lines)

    def of_line(self, line: int) -> Iterable[ChunkRef]:
        """Its chunks."""
        return self._lines.get(line, {}).values()

    def between(self, line: int, start_us: int, end_us: int) -> list[ChunkRef]:
        """A line's chunks that may hold rows in (start, end], by time."""
        found = [r for r in self.of_line(line) if r.end_us > start_us and r.start_us <= end_us]
        return sorted(found, key=lambda ref: (ref.start_us, ref.id))

    @property
    def oldest_us(self) -> int:
        """Time of the oldest row, 0 where there is none."""
        return min((ref.start_us for ref in self), default=0)

    @property
    def newest_us(self) -> int:
        """Time of the newest row, 0 where there is none."""
        return max((ref.end_us for ref in self), default=0)
