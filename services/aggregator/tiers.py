"""The tiers of stored samples: what is merged when, and what has to go. Pure: time and sizes come in."""

from collections.abc import Iterable
from dataclasses import dataclass

from services.aggregator.chunk_index import ChunkRef

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US

# A level's chunks are merged into the next when their span is over: ten minutes, then the hour.
SPANS_US = {0: 600 * SECOND_US, 1: HOUR_US}
# Rows of a span may still come this long after its end: a flush each 10 s, and one retry.
LATE_US = 20 * SECOND_US
# One hour at 60 Hz fits. More would make a single column's work longer than a query should wait.
MAX_ROWS = 1 << 18


@dataclass(frozen=True, slots=True)
class Limits:
    """Settings `storage.budget_bytes` and `storage.raw.max_age_h`."""

    budget_bytes: int = 2_000_000_000
    raw_max_age_h: float = 24.0

    @property
    def raw_budget_bytes(self) -> int:
        """The raw tier's quarter (DESIGN §5.5: raw, seconds, minutes and the rest have 25/25/35/15 %)."""
        return self.budget_bytes // 4

    @property
    def raw_max_age_us(self) -> int:
        """In microseconds."""
        return round(self.raw_max_age_h * HOUR_US)


def next_merge(refs: Iterable[ChunkRef], now_us: int) -> list[ChunkRef]:
    """Chunks of one line that belong in one of the next level, in order of time; empty: nothing is due.

    The oldest go first, so what a stopped service left undone is caught up with.
    """
    groups: dict[tuple[int, int], list[ChunkRef]] = {}
    for ref in refs:
        span_us = SPANS_US.get(ref.level)
        if span_us and ref.waiting is None:
            groups.setdefault((ref.level, ref.start_us // span_us), []).append(ref)
    for (level, slot), group in sorted(groups.items()):
        if (slot + 1) * SPANS_US[level] + LATE_US <= now_us:
            return _up_to_max_rows(sorted(group, key=lambda ref: (ref.start_us, ref.id)))
    return []


def _up_to_max_rows(group: list[ChunkRef]) -> list[ChunkRef]:
    rows = 0
    for count, ref in enumerate(group):
        rows += ref.rows
        if rows > MAX_ROWS and count:
            return group[:count]
    return group


def to_cut(refs: Iterable[ChunkRef], now_us: int, limits: Limits, *, most: int = 64) -> list[ChunkRef]:
    """Stored raw chunks that are too old or over the budget, oldest first, at most `most`."""
    stored = sorted((ref for ref in refs if ref.waiting is None), key=lambda ref: ref.end_us)
    over = sum(ref.size for ref in stored) - limits.raw_budget_bytes
    oldest_us = now_us - limits.raw_max_age_us
    cut: list[ChunkRef] = []
    for ref in stored:
        if len(cut) == most or (ref.end_us >= oldest_us and over <= 0):
            break
        cut.append(ref)
        over -= ref.size
    return cut


def oldest_worth(refs: Iterable[ChunkRef], size: int) -> list[ChunkRef]:
    """The oldest stored chunks that together free `size` bytes; all of them where that is not enough."""
    freed = 0
    chosen: list[ChunkRef] = []
    for ref in sorted((ref for ref in refs if ref.waiting is None), key=lambda ref: ref.end_us):
        if freed >= size:
            break
        chosen.append(ref)
        freed += ref.size
    return chosen
