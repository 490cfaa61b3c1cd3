"""One SQLite file, owned by one thread.

Every service keeps what it owns in one file. All work on it runs on one thread of its own, so SQLite has
one writer by construction and the event loop never waits for a disk. A file found broken is moved away and
replaced by a fresh one; a full disk is an error to retry, never the end of the service (DESIGN §3).
"""

import asyncio
import contextlib
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, Self, TypeVar

import peewee

from bus.ballast import Ballast
from bus.database_faults import (
    DatabaseReplaced,
    DiskFull,
    Quarantined,
    is_broken,
    is_full,
    quarantine_file,
)

__all__ = ["Database", "DatabaseReplaced", "DiskFull", "Quarantined"]

T = TypeVar("T")
Synchronous = Literal["FULL", "NORMAL"]


class Database:
    """A SQLite file in WAL mode and the thread that owns it.

    `await db.run(fn)` calls `fn(peewee database)` on that thread inside one transaction: what `fn` returns
    comes back when it is committed; what it raises rolls back. Peewee models given at the start are bound
    and their tables made.

        db = Database(home.database("notes"), quarantine=home.quarantine, models=[Row], synchronous="FULL")
        if db.quarantined: emit(...)
        count = await db.run(lambda _: Row.select().count())

    `synchronous="FULL"` for journals: what is committed survives a power cut. `"NORMAL"` for samples: the
    last seconds may go with the power, the file stays whole.
    """

    def __init__(
        self,
        path: Path,
        *,
        quarantine: Path,
        models: Sequence[type[peewee.Model]] = (),
        synchronous: Synchronous = "NORMAL",
        ballast: Ballast | None = None,
        pragmas: dict[str, int | str] | None = None,
        layout: int | None = None,
        on_open: Callable[[peewee.SqliteDatabase], None] | None = None,
    ) -> None:
        """Open the file, check it, and make what is missing.

        `pragmas` are set on opening, before any table exists (`auto_vacuum`, `page_size` must come so early).
        `on_open` runs in a transaction after the tables were made, at every opening, that of a fresh file
        after a broken one too: for what models cannot say.

        `layout` numbers the shape of the tables (SQLite's user_version): a file of another number is put away
        like a broken one. Without it the tables must stay readable for ever.

        Raises DiskFull where not even the -shm file could be made, OSError where the path cannot be opened
        or a broken file could not be moved.
        """
        self.path = path
        self.quarantined: Quarantined | None = None
        """The file that was found broken, last; None as long as all was well. Tell the user with an event."""
        self.commit_ms = 0.0
        """How long the newest transaction took, its commit in it."""
        self.commits = 0
        self.full_errors = 0
        """How often the disk took no more, ballast released or not."""
        self._folder = quarantine
        self._models = list(models)
        self._ballast = ballast
        self._on_open = on_open
        self._layout = layout
        self._pragmas: dict[str, int | str] = {
            **(pragmas or {}),
            "journal_mode": "wal",
            "synchronous": synchronous,
            "foreign_keys": 1,
            "temp_store": "memory",
        }
        self._db = peewee.SqliteDatabase(str(path), pragmas=list(self._pragmas.items()), timeout=5)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"sqlite-{path.stem}")
        try:
            self._thread.submit(self._open).result()
        except BaseException:
            self._thread.shutdown()
            raise

    async def run(self, fn: Callable[[peewee.SqliteDatabase], T]) -> T:
        """`fn`'s value, once its transaction is committed.

        Raises DiskFull (nothing written, retry later), DatabaseReplaced (nothing written, the file is a
        fresh one now), and whatever `fn` raises.
        """
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._transact, fn)

    def run_sync(self, fn: Callable[[peewee.SqliteDatabase], T]) -> T:
        """The same, for a caller without an event loop; it blocks."""
        return self._thread.submit(self._transact, fn).result()

    async def read(self, fn: Callable[[peewee.SqliteDatabase], T]) -> T:
        """`fn`'s value, outside of a write transaction: for reading, and for pragmas that forbid one."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._guard, fn)

    def read_sync(self, fn: Callable[[peewee.SqliteDatabase], T]) -> T:
        """The same, for a caller without an event loop; it blocks."""
        return self._thread.submit(self._guard, fn).result()

    @property
    def file_bytes(self) -> int:
        """Size of the database file in bytes, 0 where it is missing."""
        return _size(self.path)

    @property
    def wal_bytes(self) -> int:
        """Size of its write-ahead log in bytes."""
        return _size(Path(f"{self.path}-wal"))

    def close(self) -> None:
        """Finish what was asked for, checkpoint, close. Twice is once."""
        try:
            self._thread.submit(self._db.close).result()
        except RuntimeError:  # the thread is gone: closed before
            return
        self._thread.shutdown()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # What follows runs on the owning thread.

    def _open(self) -> None:
        for opening in (1, 2, 3):
            try:
                return self._open_once()
            except Exception as error:
                self._close_quietly()
                if is_broken(error) and opening < 3:
                    self._put_away(str(error))
                elif is_full(error):
                    self.full_errors += 1
                    if not self._released():
                        raise DiskFull(self._full_text(error)) from error
                else:
                    raise

    def _open_once(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # SQLite gives the -wal and the -shm the mode of the file, and makes the file with the umask's.
        os.close(os.open(self.path, os.O_CREAT | os.O_RDWR, 0o600))
        self._db.connect(reuse_if_open=True)
        if fault := self._fault():
            self._close_quietly()
            self._put_away(fault)
            return self._open_once()
        self._db.bind(self._models, bind_refs=False, bind_backrefs=False)
        with self._db.atomic("IMMEDIATE"):
            self._db.create_tables(self._models)
            if self._layout is not None:
                self._db.execute_sql(f"PRAGMA user_version = {self._layout}")
            if self._on_open:
                self._on_open(self._db)

    def _fault(self) -> str:
        """Why the file cannot be used; empty when it can."""
        found = self._db.execute_sql("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            return f"quick_check: {found}"
        layout = self._db.execute_sql("PRAGMA user_version").fetchone()[0]
        fresh = not self._db.execute_sql("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]
        if self._layout in (None, layout) or fresh:
            return ""
        return f"it has layout {layout}, this version reads {self._layout}"

    def _transact(self, fn: Callable[[peewee.SqliteDatabase], T]) -> T:
        def transaction(db: peewee.SqliteDatabase) -> T:
            with db.atomic("IMMEDIATE"):
                return fn(db)

        started = time.perf_counter()
        value = self._guard(transaction)
        self.commit_ms = (time.perf_counter() - started) * 1e3
        self.commits += 1
        return value

    def _guard(self, fn: Callable[[peewee.SqliteDatabase], T]) -> T:
        try:
            self._reopen_if_closed()
            return fn(self._db)
        except Exception as error:
            if is_broken(error):
                self._close_quietly()
                gone = self._put_away(str(error))
                self._open()
                raise DatabaseReplaced(gone) from error
            if not is_full(error):
                raise
            self.full_errors += 1
            self._leave_transaction()
            if not self._released():
                raise DiskFull(self._full_text(error)) from error
        return self._guard(fn)  # once more, with the room of the ballast

    def _reopen_if_closed(self) -> None:
        if self._db.is_closed():
            self._open()

    def _leave_transaction(self) -> None:
        # A failed write can leave SQLite in a transaction that Python's rollback could not end either.
        connection = self._db.connection()
        if connection.in_transaction:
            self._close_quietly()

    def _released(self) -> bool:
        return self._ballast is not None and self._ballast.release()

    def _put_away(self, reason: str) -> Quarantined:
        self.quarantined = quarantine_file(self.path, self._folder, f"{self.path.name} could not be used ({reason})")
        return self.quarantined

    def _close_quietly(self) -> None:
        # Any error of the old connection says nothing new: the file is put away or opened again.
        with contextlib.suppress(Exception):
            while self._db.transaction_depth():
                self._db.pop_transaction()
            self._db.close()

    def _full_text(self, error: BaseException) -> str:
        return (
            f"{self.path} could not be written: {error}. Free some space on that disk, or lower storage.budget_bytes."
        )


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
