"""governance.db and the thread that owns it; each change is one transaction."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

import peewee
from wfmonitor.v1.control_pb2 import ControlChange

from bus.clock import wall_us
from bus.database import Database, DatabaseReplaced
from bus.journal.replay import Held
from services.governance import chain
from services.governance.audit import AuditRecord, ChainedRow, Head, Verdict, Walk
from services.governance.keepsake import Keepsake
from services.governance.ledger import Committed, ConsentState, Ledger, Snapshot, as_committed
from services.governance.plan import in_force, plan_change, plan_consent
from services.governance.tables import TABLES, ChangeRow

_WALK_ROWS = 2_000
T = TypeVar("T")


class Store:
    """What changes something returns when it is committed (`synchronous=FULL`)."""

    def __init__(self, path: Path, quarantine: Path, now_us: Callable[[], int] = wall_us) -> None:
        """Open `path`; a broken file moves into `quarantine` and a fresh one starts."""
        self._now_us = now_us
        self._keepsake = Keepsake(path.with_suffix(".settings.json"))
        self._ledger: Ledger
        self.complaints: list[str] = []
        """What stands in the file but no longer fits the catalogue, as sentences."""
        self.head = (0, 0)
        """(epoch, seq) of the newest journal row that is committed, as Health says it."""
        self.on_replaced: Callable[[DatabaseReplaced], None] = lambda replaced: None
        """Called in the loop when the file was found broken while it was in use, and a fresh one began."""
        self.database = Database(path, quarantine=quarantine, models=TABLES, synchronous="FULL", on_open=self._on_open)

    def close(self) -> None:
        self.database.close()

    async def settings(self) -> Snapshot:
        """Return all settings in force."""
        return await self._read(lambda _: self._ledger.snapshot())

    async def change(self, key: str, value: str, actor: str) -> list[Committed]:
        """Set `key` to the JSON text `value`, with all that follows; empty where it is so already.

        Raises SettingError, Refused.
        """
        return await self._write(
            lambda ledger: ledger.commit(plan_change(key, value, ledger.values(), ledger.given()), actor)
        )

    async def undo(self, change_id: str, actor: str) -> list[Committed]:
        """Take back the change `change_id` and those made with it. Raises UnknownChange, Refused."""
        return await self._write(lambda ledger: ledger.undo(change_id, actor))

    async def set_consent(self, target: str, given: bool, wording: str, actor: str) -> list[Committed]:
        """Give or withdraw a consent, and switch its setting. Raises UnknownConsent, Refused."""
        return await self._write(
            lambda ledger: ledger.commit(plan_consent(target, given, wording, ledger.values()), actor)
        )

    async def settle(self, change_id: str, target: str, applied: bool, reason: str) -> list[Committed] | None:
        """Note a target's answer (see `Ledger.settle`)."""
        return await self._write(lambda ledger: ledger.settle(change_id, target, applied, reason))

    async def mark_announced(self, ids: Iterable[str]) -> None:
        """Note that these changes have been published."""
        wanted = list(ids)
        await self._run(lambda _: ChangeRow.update(announced=True).where(ChangeRow.id.in_(wanted)).execute())

    async def unannounced(self) -> list[Committed]:
        """Return what was committed but, after a kill, perhaps never published."""
        query = ChangeRow.select().where(~ChangeRow.announced).order_by(ChangeRow.number)
        return await self._read(lambda _: [as_committed(row) for row in query])

    async def changes(self, key: str, limit: int) -> list[ControlChange]:
        """Return the newest changes first, of one key or, for an empty one, of all."""
        query = ChangeRow.select().order_by(ChangeRow.number.desc()).limit(limit)
        if key:
            query = query.where(ChangeRow.key == key)
        return await self._read(lambda _: [as_committed(row).change for row in query])

    async def consents(self) -> list[ConsentState]:
        """Return the newest word on each consent ever given."""
        return await self._read(lambda _: list(self._ledger.consents().values()))

    async def append_audit(self, records: list[AuditRecord]) -> int:
        """Append records, each id once; return how many were new."""
        return await self._run(lambda _: chain.append(records))

    async def audit(self, after: int, limit: int) -> list[ChainedRow]:
        """Return up to `limit` audit rows with a number above `after`, oldest first."""
        return await self._read(lambda database: chain.read(database, after, limit))

    async def verify_audit(self) -> Verdict:
        """Walk the whole chain, a part at a time so that changes go on in between."""
        walk = Walk()

        def part(database: peewee.SqliteDatabase) -> tuple[list[ChainedRow], Head]:
            # The head is read with the rows, so that the one read with the last, empty part fits the table's
            # end.
            return chain.read(database, walk.position.number, _WALK_ROWS), chain.read_head()

        while True:
            rows, head = await self._read(part)
            if not rows or not walk.check(rows):
                break
        return walk.finish(head)

    def held(self, epoch: int, since: int) -> Held:
        """Return the journal's rows after (epoch, since), for Replay; blocks for that read."""
        return self.database.read_sync(lambda _: self._ledger.journal.held(epoch, since))

    async def _write(self, work: Callable[[Ledger], T]) -> T:
        """Run `work` as one transaction; `head` moves only once it is committed."""
        value, head = await self._run(lambda _: (work(self._ledger), self._ledger.head()))
        if head != self.head:
            self.head = head
            # The change is made whether or not its copy can be kept: a full disk is said by the next change.
            with contextlib.suppress(OSError):
                await self._read(lambda _: self._keepsake.write(self._ledger.stored()))
        return value

    async def _run(self, work: Callable[[peewee.SqliteDatabase], T]) -> T:
        try:
            return await self.database.run(work)
        except DatabaseReplaced as replaced:
            self.on_replaced(replaced)
            raise

    async def _read(self, work: Callable[[peewee.SqliteDatabase], T]) -> T:
        try:
            return await self.database.read(work)
        except DatabaseReplaced as replaced:
            self.on_replaced(replaced)
            raise

    def _on_open(self, database: peewee.SqliteDatabase) -> None:
        self._ledger = Ledger(database, self._now_us)
        if self._ledger.is_fresh():
            self._ledger.restore(self._keepsake.plan())
        self.head = self._ledger.head()
        self.complaints = in_force(self._ledger.stored())[1]
