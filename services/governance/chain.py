"""The audit chain in its table: append, read, walk. Everything here runs on the database's thread."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import peewee

from services.governance.audit import GENESIS, AuditRecord, ChainedRow, Head, extend
from services.governance.tables import AuditHead, AuditTable


def append(records: Iterable[AuditRecord]) -> int:
    """Append what is not there yet, by id, inside the caller's transaction; return how many were new."""
    head = read_head()
    added = 0
    for record in records:
        if AuditTable.select().where(AuditTable.event_id == record.id).exists():
            continue
        row = extend(head, record)
        AuditTable.insert(
            number=row.number,
            event_id=record.id,
            time_us=record.time_us,
            actor=record.actor,
            type=record.type,
            details=record.details,
            previous_hash=row.previous_hash,
            hash=row.hash,
        ).execute()
        head = Head(row.number, row.hash)
        added += 1
    if added:
        AuditHead.insert(id=1, number=head.number, hash=head.hash).on_conflict_replace().execute()
    return added


def read_head() -> Head:
    """Return the newest number and hash: (0, GENESIS) for an empty chain."""
    row = AuditHead.get_or_none(AuditHead.id == 1)
    return Head(row.number, bytes(row.hash)) if row else Head(0, GENESIS)


def read(database: peewee.SqliteDatabase, after: int, limit: int) -> list[ChainedRow]:
    """Return up to `limit` rows with a number above `after`, oldest first.

    The texts are read as bytes, so that a damaged row is handed on for the walk to name instead of failing
    to be decoded; what is no UTF-8 in it becomes lone surrogates.
    """
    found = database.execute_sql(
        "SELECT number, CAST(event_id AS BLOB), time_us, CAST(actor AS BLOB), CAST(type AS BLOB),"
        " CAST(details AS BLOB), previous_hash, hash FROM audit WHERE number > ? ORDER BY number LIMIT ?",
        (after, limit),
    )
    return list(_rows(found))


def _rows(found: Iterable[tuple[object, ...]]) -> Iterator[ChainedRow]:
    for number, event_id, time_us, actor, type_, details, previous_hash, hash_ in found:
        record = AuditRecord(_text(event_id), _integer(time_us), _text(actor), _text(type_), _text(details))
        yield ChainedRow(_integer(number), record, _bytes(previous_hash), _bytes(hash_))


def _text(value: object) -> str:
    return _bytes(value).decode("utf-8", "surrogateescape")


def _bytes(value: object) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "surrogateescape")


def _integer(value: object) -> int:
    # A damaged column may hold any type; -1 never continues a chain, so the walk stops there.
    return value if isinstance(value, int) else -1
