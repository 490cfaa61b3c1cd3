"""Raw samples of a time span, out of the chunks: only the columns asked for are read and decoded."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np
import peewee
from wfmonitor.v1.metrics_service_pb2 import Selector

from bus.series import Series
from services.aggregator.batch import Floats, Times
from services.aggregator.chunk_form import TIMES, Head, decode_column, decode_times
from services.aggregator.chunk_index import ChunkRef
from services.aggregator.column_codec import Unreadable
from services.aggregator.dictionary import Column
from services.aggregator.store import Store
from services.aggregator.store_schema import ChunkRow, tuples

# A day of one 10 Hz series decoded is 14 MB: what a page asks for again and again is the last hour of a few.
CACHE_BYTES = 8 << 20
# Chunks read in one turn on the database's thread; a commit waits no longer than that (some 20 ms).
CHUNKS_A_TURN = 16
_TRIES = 10


class RawSeries(NamedTuple):
    """One series' samples, ascending in time; values NaN where absent."""

    series: Series
    times_us: Times
    values: Floats


class _Moved(Exception):
    """A chunk was merged or cut between the plan and the reading."""


@dataclass(slots=True)
class _Part:
    """What one chunk gave: its times, and the columns it had of those asked for."""

    times: Times
    columns: dict[int, Floats] = field(default_factory=dict)


class RawQuery:
    """Reads a store. `rows_read` counts decoded rows, for the answer's own account."""

    def __init__(self, store: Store, cache_bytes: int = CACHE_BYTES) -> None:
        self._store = store
        self._cache = _Cache(cache_bytes)  # on the database's thread only

    async def read(self, selector: Selector, start_us: int, end_us: int) -> list[RawSeries]:
        """The rows in (start, end] of every series the selector names, by series.

        Series without a row in the span are left out. A chunk that proves damaged is dropped, counted as lost,
        and leaves a gap. Raises DatabaseReplaced where the file itself turns out to be broken.
        """
        wanted: dict[int, list[Column]] = {}
        for column in self._store.dictionary.columns_of(selector.metric):
            if matches(column.series, selector):
                wanted.setdefault(column.line, []).append(column)
        pieces: dict[Series, list[tuple[Times, Floats]]] = {}
        for line, columns in wanted.items():
            for part in await self._read_line(line, columns, start_us, end_us):
                for column in columns:
                    values = part.columns.get(column.id)
                    if values is not None:
                        pieces.setdefault(column.series, []).append((part.times, values))
        joined = [_join(series, found, start_us, end_us) for series, found in sorted(pieces.items())]
        return [one for one in joined if len(one.times_us)]

    def events(self, metric: str) -> Collection[Series]:
        """The metric's series whose rows came as things happened, as far as they are written down."""
        return self._store.dictionary.events_of(metric)

    async def _read_line(self, line: int, columns: Sequence[Column], start_us: int, end_us: int) -> list[_Part]:
        ids = [column.id for column in columns]
        for _ in range(_TRIES):
            refs = self._store.index.between(line, start_us, end_us)
            parts: list[_Part] = []
            damaged: list[ChunkRef] = []
            try:
                for at in range(0, len(refs), CHUNKS_A_TURN):
                    turn = partial(self._read, refs[at : at + CHUNKS_A_TURN], ids, damaged)
                    parts += await self._store.read(turn)
            except _Moved:
                async with self._store.changing:  # until the index tells the new places
                    continue
            if damaged:
                await self._store.remove(damaged, lost="unreadable")
            return parts
        raise RuntimeError(f"line {line}: its chunks moved {_TRIES} times while they were read")

    # -- on the database's thread -------------------------------------------------------------

    def _read(
        self, refs: Iterable[ChunkRef], ids: Sequence[int], damaged: list[ChunkRef], db: peewee.SqliteDatabase
    ) -> list[_Part]:
        parts = []
        for ref in refs:
            try:
                part = self._read_chunk(db, ref, ids)
            except Unreadable:
                damaged.append(ref)
            else:
                if part is not None:
                    parts.append(part)
        return parts

    def _read_chunk(self, db: peewee.SqliteDatabase, ref: ChunkRef, ids: Sequence[int]) -> _Part | None:
        head = self._head(ref)
        columns = {series_id: at for series_id in ids if (at := head.find(series_id)) >= 0}
        if not columns:
            return None
        needed = [TIMES, *columns.values()]
        cached = {at: self._cache.get((ref.id, at)) for at in needed}
        missing = [at for at in needed if cached[at] is None]
        for at, body in zip(missing, _bodies(db, ref, head, missing), strict=True):
            array = decode_times(head, at, body) if at == TIMES else decode_column(head, at, body)
            cached[at] = array
            self._cache.put((ref.id, at), array)
        found: dict[int, Floats] = {series_id: cached[at] for series_id, at in columns.items()}  # type: ignore[misc]
        return _Part(cached[TIMES], found)  # type: ignore[arg-type]

    def _head(self, ref: ChunkRef) -> Head:
        if ref.waiting is not None:
            return Head.parse(ref.waiting.head)
        head = self._cache.heads.get(ref.id)
        if head is None:
            rows = tuples(ChunkRow.select(ChunkRow.head).where(ChunkRow.id == ref.id))
            if not rows:
                raise _Moved
            head = Head.parse(bytes(rows[0][0]))
            self._cache.keep_head(ref.id, head)
        return head


def matches(series: Series, selector: Selector) -> bool:
    """Whether a selector names a series: its metric, its source if one is given, and the labels given."""
    if series.metric != selector.metric or (selector.source and series.source != selector.source):
        return False
    labels = dict(series.labels)
    return all(labels.get(label.name) == label.value for label in selector.labels)


def _bodies(db: peewee.SqliteDatabase, ref: ChunkRef, head: Head, columns: Sequence[int]) -> list[bytes]:
    """The bytes of some columns, read without the rest of the chunk."""
    extents = [head.extent(column) for column in columns]
    if not extents:
        return []
    if ref.waiting is not None:
        body = head.inflate(ref.waiting.body)
        return [body[start:end] for start, end in extents]
    try:
        blob = db.connection().blobopen("chunk", "body", ref.id, readonly=True)
    except Exception as error:
        if "no such rowid" in str(error):
            raise _Moved from error
        raise
    with blob:
        if head.deflated_check is not None:
            body = head.inflate(blob.read())
            return [body[start:end] for start, end in extents]
        if len(blob) != head.body_size:
            raise Unreadable(f"chunk {ref.id} has {len(blob)} bytes, its head says {head.body_size}")
        return [blob[start:end] for start, end in extents]


def _join(series: Series, pieces: Sequence[tuple[Times, Floats]], start_us: int, end_us: int) -> RawSeries:
    """One series of many pieces, cut to (start, end], in order of time."""
    times = np.concatenate([times for times, _ in pieces]) if len(pieces) > 1 else pieces[0][0]
    values = np.concatenate([values for _, values in pieces]) if len(pieces) > 1 else pieces[0][1]
    if len(times) > 1 and (times[1:] < times[:-1]).any():
        # The wall clock was set back, or the series moved between tables.
        order = np.argsort(times, kind="stable")
        times, values = times[order], values[order]
    a, b = np.searchsorted(times, (start_us, end_us), side="right").tolist()
    return RawSeries(series, times[a:b], values[a:b])


class _Cache:
    """Decoded columns by (chunk, column), the least used go first. Chunks never change under their number."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._held = 0
        self._arrays: OrderedDict[tuple[int, int], Times | Floats] = OrderedDict()
        self.heads: OrderedDict[int, Head] = OrderedDict()

    def get(self, key: tuple[int, int]) -> Times | Floats | None:
        array = self._arrays.get(key)
        if array is not None:
            self._arrays.move_to_end(key)
        return array

    def put(self, key: tuple[int, int], array: Times | Floats) -> None:
        if array.nbytes > self._size:
            return
        array.flags.writeable = False  # handed out to every later reader
        self._arrays[key] = array
        self._held += array.nbytes
        while self._held > self._size:
            _, old = self._arrays.popitem(last=False)
            self._held -= old.nbytes

    def keep_head(self, number: int, head: Head) -> None:
        self.heads[number] = head
        if len(self.heads) > 512:
            self.heads.popitem(last=False)
