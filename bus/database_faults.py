"""What can go wrong with a SQLite file, told apart by SQLite's own result codes."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

# The disk takes no more: its blocks, a quota or the process's file size limit are used up. Retry later.
_FULL_CODES = {
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_IOERR_WRITE,
    sqlite3.SQLITE_IOERR_TRUNCATE,
    sqlite3.SQLITE_IOERR_FSYNC,
    sqlite3.SQLITE_IOERR_DIR_FSYNC,
    sqlite3.SQLITE_IOERR_SHMSIZE,
    sqlite3.SQLITE_IOERR_SHMMAP,
    sqlite3.SQLITE_IOERR_SHMOPEN,
}
# The file is not what SQLite wrote: no retry mends that.
_BROKEN_CODES = {sqlite3.SQLITE_IOERR_READ, sqlite3.SQLITE_IOERR_SHORT_READ, sqlite3.SQLITE_IOERR_CORRUPTFS}
_BROKEN_PRIMARY = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


@dataclass(frozen=True)
class Quarantined:
    """A broken database file that was moved away, and why."""

    path: Path  # where it lies now
    reason: str
    time_us: int  # wall clock


class DiskFull(Exception):
    """The disk took no more, even without the ballast. Nothing was written; try again when there is room."""


class DatabaseReplaced(Exception):
    """The file was found broken while in use: it lies in quarantine, and a fresh one stands in its place.

    Nothing of the call was written. What the caller remembers of the old file no longer holds.
    """

    def __init__(self, quarantined: Quarantined) -> None:
        super().__init__(f"{quarantined.reason}; the broken file was kept as {quarantined.path}")
        self.quarantined = quarantined


def _codes(error: BaseException) -> Iterator[int]:
    """SQLite's extended result codes behind an error of sqlite3 or peewee, of what caused it too.

    SQLite ends a transaction by itself when the disk is full; the rollback that follows fails too, and
    its error hides the one that tells.
    """
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            code = getattr(one, "sqlite_errorcode", None)
            if isinstance(code, int):
                yield code
            waiting += [*one.args, one.__cause__, one.__context__]


def is_full(error: BaseException) -> bool:
    """Whether the disk took no more."""
    return any(code in _FULL_CODES or code & 0xFF == sqlite3.SQLITE_FULL for code in _codes(error))


def is_broken(error: BaseException) -> bool:
    """Whether the file itself is damaged."""
    return any(code in _BROKEN_CODES or code & 0xFF in _BROKEN_PRIMARY for code in _codes(error))


def quarantine_file(path: Path, folder: Path, reason: str) -> Quarantined:
    """Move a database file, its -wal and its -shm into `folder`, under a name with the time.

    Raises OSError where the folder cannot be written.
    """
    now = datetime.now(UTC)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    kept = folder / f"{path.stem}-{now:%Y%m%dT%H%M%S.%fZ}{path.suffix}"
    # The database last: after a crash in between, SQLite would replay an old -wal into a fresh file.
    for suffix in ("-wal", "-shm", ""):
        with contextlib.suppress(FileNotFoundError):
            os.replace(f"{path}{suffix}", f"{kept}{suffix}")
    return Quarantined(kept, reason, int(now.timestamp() * 1e6))
