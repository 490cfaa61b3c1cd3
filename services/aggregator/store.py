"""The aggregator's SQLite file: chunks of samples with the cursors they reach up to, and what was lost.

What is to be written waits in memory, compressed, until its transaction is committed. A full disk makes it wait
longer, a broken file is replaced, and what has to be given up is counted in the transaction that passes over it:
a kill in between loses neither samples nor counts, the producers' own files still hold them.
"""

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import peewee

from bus.ballast import Ballast
from bus.clock import wall_us
from bus.database import Database, DatabaseReplaced, DiskFull, Quarantined
from services.aggregator.chunk_form import Chunk
from services.aggregator.chunk_index import ChunkIndex, ChunkRef
from services.aggregator.chunks import pack
from services.aggregator.dictionary import Dictionary
from services.aggregator.inbox import Position
from services.aggregator.ledger import Ledger
from services.aggregator.lines import by_line
from services.aggregator.store_schema import LAYOUT, MODELS, CursorRow, LossRow, tuples
from services.aggregator.tiers import oldest_worth
from services.aggregator.transaction import Loss, RowBlock, Transaction

__all__ = ["Loss", "RowBlock", "Store"]

log = logging.getLogger(__name__)
T = TypeVar("T")

WAITING_BYTES = 16 << 20  # a few hours of chunks at default rates
# With less free than that on the disk, the file grows no more: for each new chunk an old one goes.
RESERVE_BYTES = 16 << 20
_SLACK_BYTES = 64 << 10
# Small pages: half of what 4 KiB write to the disk, 5 % less file in the first hour, reading as fast.
_PAGE_BYTES = 1024
_PRAGMAS: dict[str, int | str] = {
    "page_size": _PAGE_BYTES,
    "auto_vacuum": 2,  # incremental: merged and cut chunks give their pages back in small steps
    # Half a MiB of log: pages that are written again and again reach the file once in some minutes.
    "wal_autocheckpoint": 512,
    "journal_size_limit": 1 << 19,
    "cache_size": -1024,
}


class Store:
    """Writes and accounts. Merging and cutting is in keeper.py, reading in raw_query.py, events in records.py.

    `await store.write(blocks, cursors)` each 10 s; False says that it waits for room. `on_quarantine` is called
    where the file is found broken while in use; `quarantined` tells of one found at the start, too.
    """

    def __init__(
        self,
        path: Path,
        *,
        quarantine: Path,
        ballast: Ballast | None = None,
        waiting_bytes: int = WAITING_BYTES,
        reserve_bytes: int = RESERVE_BYTES,
        now_us: Callable[[], int] = wall_us,
    ) -> None:
        """Open or make the file. It blocks for the check of the file: about a second a gigabyte."""
        self.dictionary = Dictionary()
        self.index = ChunkIndex()
        self.on_quarantine: Callable[[Quarantined], None] = lambda _: None
        self.trouble = ""
        """Why the newest transaction failed and what to do; empty when it did not."""
        self.tight = False
        """Whether the disk has so little room that old samples go for new ones."""
        self.lost_samples = 0
        self.changing = asyncio.Lock()
        """Held while chunks come and go."""
        self._now_us = now_us
        self._waiting_bytes = waiting_bytes
        self._reserve_bytes = reserve_bytes
        self._cursors: dict[str, Position] = {}
        self._next = Transaction()
        self.db = Database(path, quarantine=quarantine, models=MODELS, ballast=ballast, pragmas=_PRAGMAS, layout=LAYOUT)
        self.quarantined = self.db.quarantined
        self.db.read_sync(lambda _: self._load())
        self._ledger = Ledger(path.with_suffix(".samples"))
        if self.quarantined:
            self.lost("quarantined", self.quarantined.path.name, self._ledger.samples)
        self._account()
        self._next_chunk = max((ref.id for ref in self.index), default=0) + 1

    def _load(self) -> None:
        self.dictionary.load()
        self.index.load()
        self._cursors = {row.producer: Position(row.epoch, row.seq) for row in CursorRow.select()}
        self.lost_samples = LossRow.select(peewee.fn.COALESCE(peewee.fn.SUM(LossRow.samples), 0)).scalar()

    # -- writing ------------------------------------------------------------------------------

    @property
    def cursors(self) -> dict[str, Position]:
        """Up to where each producer's batches are committed: ask for what is newer."""
        return dict(self._cursors)

    @property
    def waiting(self) -> bool:
        """Whether something is not committed yet."""
        return bool(self._next)

    async def write(self, blocks: Sequence[RowBlock], cursors: Mapping[str, Position]) -> bool:
        """Commit the rows and the cursors that reach up to them. False: they wait for room, see `trouble`.

        The rows are the store's from here on, and can be queried, whatever it returns.
        """
        async with self.changing:
            lines = by_line(self.dictionary, blocks)
            # In a thread: pcodec lets others run meanwhile.
            chunks = await asyncio.to_thread(lambda: [pack(pieces) for pieces in lines.values()])
            for line, chunk in zip(lines, chunks, strict=True):
                ref = ChunkRef.of(self._number(), line, 0, chunk, waiting=True)
                self._next.chunks.append(ref)
                self.index.add(ref)
            for producer, cursor in cursors.items():
                self._next.reach(producer, max(cursor, self._cursors.get(producer, cursor)))
            return await self._commit()

    async def retry(self) -> bool:
        """Commit what waits; True when nothing waits any more."""
        async with self.changing:
            return await self._commit()

    def lost(self, reason: str, what: str, samples: int) -> None:
        """Count samples as lost; written with the next transaction."""
        if samples > 0:
            self._next.losses.append(Loss(reason, what, samples))
            self.lost_samples += samples

    async def remove(self, refs: Iterable[ChunkRef], *, lost: str = "") -> bool:
        """Delete chunks; `lost` is the reason where they count as lost. False: that waits, as in `write`."""
        async with self.changing:
            there = [ref for ref in refs if ref in self.index]
            if lost:
                for ref in there:
                    self.lost(lost, self._name(ref), ref.samples)
            self._next.removed += [ref for ref in there if ref.waiting is None]
            self._next.chunks = [ref for ref in self._next.chunks if ref not in there]
            self.index.remove(there)
            return await self._commit()

    async def replace(self, refs: Sequence[ChunkRef], level: int, chunk: Chunk) -> bool:
        """Put one chunk in the place of several, in one transaction. False: one of them has gone meanwhile.

        Raises DiskFull or DatabaseReplaced; the several are untouched by DiskFull.
        """
        async with self.changing:
            if not all(ref in self.index for ref in refs):
                return False
            ref = ChunkRef.of(self._number(), refs[0].line, level, chunk, waiting=True)
            step = Transaction(chunks=[ref], removed=list(refs))
            await self.run(lambda _: step.write([], [], self._now_us()))
            self.index.remove(refs)
            self.index.add(ref.stored())
            self._account()
            return True

    def _number(self) -> int:
        self._next_chunk += 1
        return self._next_chunk - 1

    def _name(self, ref: ChunkRef) -> str:
        return self.dictionary.line_name(ref.line)

    # -- committing ---------------------------------------------------------------------------

    async def _commit(self) -> bool:
        self.tight = _free_bytes(self.db.path) < self._reserve_bytes
        try:
            if self.tight and self._next.chunks:
                free = await self.read(lambda db: db.execute_sql("PRAGMA freelist_count").fetchone()[0])
                self._make_room(self._waiting_size() + _SLACK_BYTES - free * _PAGE_BYTES)
        except (DatabaseReplaced, DiskFull, peewee.PeeweeException, sqlite3.Error, OSError):
            pass  # the commit meets it too, and tells
        for _ in range(3):  # a broken file is replaced, a full one loses its oldest: each once
            try:
                await self._try_commit()
            except DatabaseReplaced:
                continue
            except DiskFull as error:
                self.trouble = str(error)
                if not self._make_room(2 * self._waiting_size() + _SLACK_BYTES):
                    break
            except (peewee.PeeweeException, sqlite3.Error, OSError) as error:
                self.trouble = f"{self.db.path} could not be written: {error}"
                break
            else:
                return True
        self._give_up_oldest_waiting()
        return False

    def _make_room(self, wanted: int) -> bool:
        """Let the oldest raw chunks go in the transaction of those that wait; False: nothing more can go."""
        if self._next.removed or not self._next.chunks:
            return False
        oldest = oldest_worth(self.index, wanted)
        for ref in oldest:
            self.lost("disk_full", self._name(ref), ref.samples)
        self._next.removed += oldest
        self.index.remove(oldest)
        return bool(oldest)

    def _waiting_size(self) -> int:
        return sum(ref.size for ref in self._next.chunks)

    async def _try_commit(self) -> None:
        step, self._next = self._next, Transaction()
        tables, columns = self.dictionary.unsaved()
        try:
            if step or tables or columns:
                await self.run(lambda _: step.write(tables, columns, self._now_us()))
        except BaseException as error:
            if isinstance(error, DatabaseReplaced):
                step.removed.clear()  # went with the file
            self._next = step.followed_by(self._next)
            raise
        self.dictionary.saved(tables, columns)
        self._cursors.update(step.cursors)
        for ref in step.chunks:
            self.index.add(ref.stored())
        self._account()
        self.trouble = ""

    def _give_up_oldest_waiting(self) -> None:
        """What waits may take only so much memory."""
        chunks = self._next.chunks
        size = self._waiting_size()
        while size > self._waiting_bytes:
            ref = chunks.pop(0)
            size -= ref.size
            self.index.remove([ref])
            self.lost("disk_full", self._name(ref), ref.samples)

    # -- the file -----------------------------------------------------------------------------

    async def run(self, fn: Callable[[peewee.SqliteDatabase], T]) -> T:
        """Database.run, for what else lies in this file."""
        try:
            return await self.db.run(fn)
        except DatabaseReplaced as error:
            self._replaced(error.quarantined)
            raise

    async def read(self, fn: Callable[[peewee.SqliteDatabase], T]) -> T:
        """Database.read, likewise."""
        try:
            return await self.db.read(fn)
        except DatabaseReplaced as error:
            self._replaced(error.quarantined)
            raise

    def _replaced(self, quarantined: Quarantined) -> None:
        """The file is a fresh one: what it held is lost, what is known and what waits goes into it."""
        stored = [ref for ref in self.index if ref.waiting is None]
        self.index.remove(stored)
        self.dictionary.forget_saved()
        self._next.removed.clear()
        for producer, cursor in self._cursors.items():
            self._next.reach(producer, cursor)
        self.lost("quarantined", quarantined.path.name, sum(ref.samples for ref in stored))
        self.quarantined = quarantined
        log.error("%s", quarantined.reason)
        self.on_quarantine(quarantined)

    async def losses(self) -> list[Loss]:
        """Everything lost so far, summed by reason and what."""
        waiting = list(self._next.losses)
        total = peewee.fn.SUM(LossRow.samples)
        query = LossRow.select(LossRow.reason, LossRow.what, total).group_by(LossRow.reason, LossRow.what)
        sums: dict[tuple[str, str], int] = {}
        for reason, what, samples in [*await self.read(lambda _: tuples(query)), *waiting]:
            sums[reason, what] = sums.get((reason, what), 0) + samples
        return [Loss(reason, what, samples) for (reason, what), samples in sums.items()]

    def _account(self) -> None:
        self._ledger.samples = self.index.samples - sum(ref.samples for ref in self._next.chunks)

    def close(self) -> None:
        """Finish and close the file. What still waits is not in it: the cursors say so."""
        self.db.close()
        self._ledger.close()


def _free_bytes(path: Path) -> int:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return 0
    return disk.f_bavail * disk.f_frsize
