"""Audit events of the other services: judged, gathered, and appended to the chain many at a time.

Each append is a commit that waits for the disk (`synchronous=FULL`), so what comes while one is under way
goes into the next together.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable

from wfmonitor.v1.control_pb2 import AuditEvent

from bus import topics
from bus.actors import is_actor
from services.governance.audit import AuditRecord, details_text

MAX_DETAILS_BYTES = 4096
_MAX_WAITING = 10_000
_BATCH = 500
_ID = re.compile(r"[\x21-\x7e]{1,128}")
# First parts of the ids that governance itself writes (services/governance/ledger.py).
_OURS = frozenset({"change", "consent", "refused", "restore", ""})
_TYPE = re.compile(r"[a-z][a-z0-9_]{0,31}(\.[a-z0-9_]{1,32}){1,3}")


class BadAuditEvent(ValueError):
    """An event that cannot stand in the chain; the message names the field."""


def check_actor(actor: str) -> str:
    """Return `actor` where it has the shape of one ("person:page"). Raises BadAuditEvent."""
    if not is_actor(actor):
        raise BadAuditEvent(f"actor: {actor[:80]!r} is not of the form kind:name, as person:page or service:alert")
    return actor


def to_record(topic: str, payload: bytes) -> AuditRecord:
    """Return the record an event on the bus asks for. Raises BadAuditEvent, or DecodeError for rubbish."""
    event = AuditEvent.FromString(payload)
    if not _ID.fullmatch(event.id):
        raise BadAuditEvent(f"id: {event.id[:80]!r} must be 1 to 128 printable ASCII characters")
    if not _TYPE.fullmatch(event.type):
        raise BadAuditEvent(f"type: {event.type[:80]!r} is not of the form subject.verb, as session.opened")
    if event.time_us <= 0:
        raise BadAuditEvent("time_us: must be µs since 1970")
    details = details_text(event.details)
    if len(details) > MAX_DETAILS_BYTES:
        raise BadAuditEvent(f"details: {len(details)} bytes, at most {MAX_DETAILS_BYTES} may stand in the chain")
    service = topic.removeprefix(topics.AUDITS).strip("/")
    if service in _OURS:
        raise BadAuditEvent(f"topic: {service!r} is none of our services")
    # Ids are unique only within their service.
    return AuditRecord(f"{service}:{event.id}", event.time_us, check_actor(event.actor), event.type, details)


class AuditIntake:
    """`put` takes records from the bus; `run` appends them until it is cancelled."""

    def __init__(self, append: Callable[[list[AuditRecord]], Awaitable[int]]) -> None:
        self._append = append
        self._waiting: asyncio.Queue[AuditRecord] = asyncio.Queue(_MAX_WAITING)
        self.appended = 0
        self.repeated = 0

    def put(self, record: AuditRecord) -> None:
        """Take a record. Raises asyncio.QueueFull where the disk is behind by ten thousand."""
        self._waiting.put_nowait(record)

    async def run(self) -> None:
        while True:
            batch = [await self._waiting.get()]
            while len(batch) < _BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            added = await self._append(batch)
            self.appended += added
            self.repeated += len(batch) - added
            for _ in batch:
                self._waiting.task_done()

    async def drain(self) -> None:
        """Wait until everything taken so far is in the chain."""
        await self._waiting.join()
