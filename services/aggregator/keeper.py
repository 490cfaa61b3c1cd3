"""Keeps the store in shape: retries what waits, merges small chunks, cuts what is too old or too much."""

import asyncio
import logging
import sqlite3
from collections.abc import Callable, Sequence

import peewee

from bus.ballast import Ballast
from bus.clock import until_beat_s, wall_us
from bus.database import DatabaseReplaced, DiskFull
from bus.settings_mirror import SettingsMirror
from services.aggregator.chunk_form import Chunk, verify
from services.aggregator.chunk_index import ChunkRef
from services.aggregator.chunks import Source, merge
from services.aggregator.column_codec import Unreadable
from services.aggregator.records import Records
from services.aggregator.store import Store
from services.aggregator.store_schema import ChunkRow, tuples
from services.aggregator.tiers import HOUR_US, Limits, next_merge, to_cut

log = logging.getLogger(__name__)

# Looked at each second: a disk with room again is used within two.
PAUSE_S = 1.0
# Free pages left in the file for the next chunks: these, or a fiftieth of it.
SPARE_PAGES = 16
# How many are given back at once: a few ms.
VACUUM_PAGES = 128
# Without a new commit nothing becomes due but by time, and not within seconds.
LOOK_US = 10_000_000
# A merge that found no room is not tried again at once: it costs CPU before it needs the disk.
NO_ROOM_US = 60_000_000


def limits_of(settings: SettingsMirror) -> Limits:
    """What is to be kept, as the settings say."""
    return Limits(int(settings.number("storage.budget_bytes")), settings.number("storage.raw.max_age_h"))


class Keeper:
    """Works in small steps, so that no query waits for it: the longest is one transaction of a merged chunk."""

    def __init__(
        self,
        store: Store,
        *,
        limits: Limits | None = None,
        ballast: Ballast | None = None,
        now_us: Callable[[], int] = wall_us,
    ) -> None:
        self.limits = limits or Limits()
        """May be set at any time; obeyed from the next step on."""
        self.merges = 0
        self.cut_samples = 0
        self._store = store
        self._ballast = ballast
        self._now_us = now_us
        self._records = Records(store)
        self._events_cut_us = 0
        self._loose = True  # pages may have become free
        self._idle: tuple[int, Limits, int] | None = None  # commits, limits and time when nothing was due
        self._no_merge_before_us = 0

    async def run(self) -> None:
        """Until cancelled. A failed step is logged and tried again after the pause."""
        while True:
            try:
                busy = True
                while busy:
                    busy = await self.step()
            except (DiskFull, DatabaseReplaced, peewee.PeeweeException, sqlite3.Error, OSError) as error:
                log.warning("the store could not be kept in shape, trying again: %s", error)
            await asyncio.sleep(until_beat_s(every_s=PAUSE_S))

    async def step(self) -> bool:
        """One piece of what is due; False when nothing is."""
        if self._store.waiting and not await self._store.retry():
            return False
        if self._ballast and not self._ballast.held:
            await asyncio.to_thread(self._ballast.restore)
        if abs(self._now_us() - self._events_cut_us) > HOUR_US:
            await self._records.cut(self._now_us())
            self._events_cut_us = self._now_us()
        if self._nothing_new():
            return False
        busy = await self._cut() or await self._merge() or await self._vacuum()
        self._idle = None if busy else (self._store.db.commits, self.limits, self._now_us())
        return busy

    def _nothing_new(self) -> bool:
        if self._idle is None:
            return False
        commits, limits, time_us = self._idle
        waited_us = abs(self._now_us() - time_us)
        return commits == self._store.db.commits and limits == self.limits and waited_us < LOOK_US

    async def _cut(self) -> bool:
        refs = to_cut(self._store.index, self._now_us(), self.limits)
        if not refs or not await self._store.remove(refs):
            return False
        self.cut_samples += sum(ref.samples for ref in refs)
        self._loose = True
        return True

    async def _merge(self) -> bool:
        if 0 < self._no_merge_before_us - self._now_us() <= NO_ROOM_US:
            return False
        for line in self._store.index.lines:
            refs = next_merge(self._store.index.of_line(line), self._now_us())
            if refs:
                await self._merge_chunks(refs)
                return True
        return False

    async def _merge_chunks(self, refs: Sequence[ChunkRef]) -> None:
        ids = [ref.id for ref in refs]
        query = ChunkRow.select(ChunkRow.id, ChunkRow.head, ChunkRow.body).where(ChunkRow.id.in_(ids))
        found = await self._store.read(lambda _: {i: (head, body) for i, head, body in tuples(query)})
        missing = [ref for ref in refs if ref.id not in found]
        if missing:
            await self._store.remove(missing, lost="unreadable")
            return
        parts = [found[i] for i in ids]
        try:
            chunk = await asyncio.to_thread(_merged, parts)
        except Unreadable as error:
            log.error("a chunk was damaged on the disk and is dropped: %s", error)
            bad = [ref for ref, (head, body) in zip(refs, parts, strict=True) if not verify(head, body)]
            # Whole by its checksums and still not to be decoded: keep none that would stop the merge for ever.
            await self._store.remove(bad or refs, lost="unreadable")
            return
        try:
            replaced = await self._store.replace(refs, refs[0].level + 1, chunk)
        except DiskFull:
            self._no_merge_before_us = self._now_us() + NO_ROOM_US
            raise
        if replaced:
            self.merges += 1
            self._loose = True

    async def _vacuum(self) -> bool:
        if not self._loose:
            return False

        def give_back(db: peewee.SqliteDatabase) -> bool:
            """Whether pages went, and more may."""
            free, pages = (db.execute_sql(f"PRAGMA {n}").fetchone()[0] for n in ("freelist_count", "page_count"))
            surplus = free - max(SPARE_PAGES, pages // 50)
            if surplus <= 0:
                return False
            db.execute_sql(f"PRAGMA incremental_vacuum({min(VACUUM_PAGES, surplus)})").fetchall()
            # On a full disk SQLite moves no page, and says nothing.
            return bool(db.execute_sql("PRAGMA freelist_count").fetchone()[0] < free)

        self._loose = await self._store.read(give_back)
        return self._loose


def _merged(parts: Sequence[tuple[bytes, bytes]]) -> Chunk:
    return merge([Source.of(bytes(head), bytes(body)) for head, body in parts])
