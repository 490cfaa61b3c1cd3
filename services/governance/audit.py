"""The audit chain: each row carries the hash of the row before it, so none can be altered, left out or moved
unseen.

Pure: rows in, hashes and a verdict out. A chain says nothing of rows cut off at its end, so the newest
number and hash are kept apart (`Head`) and compared as well. Whoever can rewrite the whole file can also
rewrite the chain: it guards against damage and quiet edits, not against the user's own account (docs: who is
kept out).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

GENESIS = bytes(32)


class AuditRecord(NamedTuple):
    """What happened. `details` is canonical JSON (`details_text`), never content of prompts or files."""

    id: str
    time_us: int
    actor: str
    type: str
    details: str


class ChainedRow(NamedTuple):
    """A record in its place in the chain. Numbers count 1, 2, 3 … without a gap."""

    number: int
    record: AuditRecord
    previous_hash: bytes
    hash: bytes


class Head(NamedTuple):
    """The newest row of the chain: number 0 and GENESIS for an empty one."""

    number: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a walk over the chain found; `broken_at` is the number of the first row that does not fit, or 0."""

    rows: int
    broken_at: int = 0
    reason: str = ""

    @property
    def intact(self) -> bool:
        return not self.broken_at


def details_text(details: Mapping[str, str]) -> str:
    """Return the one spelling of details that is stored and hashed: JSON, sorted keys, ASCII, no spaces."""
    return json.dumps(dict(details), sort_keys=True, ensure_ascii=True, separators=(",", ":"))


def row_hash(previous_hash: bytes, number: int, record: AuditRecord) -> bytes:
    """Return SHA-256 over the previous hash and the row as a JSON array (number, id, time, actor, type,
    details).

    The array is ASCII without spaces and `details` stands in it as the stored text, so two rows that differ
    in any byte of any column have different arrays. Anybody can recompute it with a JSON library and sha256.
    """
    row = [number, record.id, record.time_us, record.actor, record.type, record.details]
    canonical = json.dumps(row, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(previous_hash + canonical.encode("ascii")).digest()


def extend(head: Head, record: AuditRecord) -> ChainedRow:
    """Return `record` as the row after `head`."""
    number = head.number + 1
    return ChainedRow(number, record, head.hash, row_hash(head.hash, number, record))


class Walk:
    """Checks a chain row by row, in order, a part at a time; `finish` gives the verdict."""

    def __init__(self) -> None:
        self.position = Head(0, GENESIS)
        self.rows = 0
        self._fault: tuple[int, str] | None = None

    def check(self, rows: Iterable[ChainedRow]) -> bool:
        """Walk on over `rows`. Returns False once the chain is broken; what follows is then only counted."""
        for row in rows:
            self.rows += 1
            if self._fault is None:
                self._fault = self._judge(row)
                self.position = Head(row.number, row.hash)
        return self._fault is None

    def finish(self, head: Head) -> Verdict:
        """Return the verdict, after comparing the last row with the head that is kept apart."""
        if self._fault is None and self.position != head:
            if head.number > self.position.number:
                missing = head.number - self.position.number
                reason = f"{missing} rows are missing at the end: the newest known row is {head.number}"
                self._fault = (self.position.number + 1, reason)
            elif head.number < self.position.number:
                self._fault = (head.number + 1, f"the newest known row is {head.number}, but there are more")
            else:
                self._fault = (head.number, "the newest row is not the one that was written last")
        if self._fault is None:
            return Verdict(self.rows)
        return Verdict(self.rows, *self._fault)

    def _judge(self, row: ChainedRow) -> tuple[int, str] | None:
        expected = self.position.number + 1
        if row.number != expected:
            return expected, f"row {expected} is missing: row {row.number} stands in its place"
        if row.previous_hash != self.position.hash:
            return row.number, f"row {row.number} does not continue the row before it"
        if row.hash != row_hash(row.previous_hash, row.number, row.record):
            return row.number, f"row {row.number} was altered: its content does not give its hash"
        return None
