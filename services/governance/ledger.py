"""What a change, its undo and a target's answer do to the tables.

All of it runs on the database's thread, inside the caller's transaction.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import peewee
from wfmonitor.v1.control_pb2 import ControlChange

from bus import topics
from bus.journal.journal import Journal
from bus.settings_catalogue import find, settings_catalogue
from services.governance import chain
from services.governance.audit import AuditRecord, details_text
from services.governance.plan import Made, Plan, Refused, in_force, plan_undo
from services.governance.tables import ChangeRow, ConsentRow, SettingRow

# A target that was away reads all settings anew; the rows serve those that were here and missed a message.
JOURNAL_ROWS = 10_000
SELF = "service:governance"


class UnknownChange(LookupError):
    """There is no change of this id."""


@dataclass(frozen=True, slots=True)
class Committed:
    """A setting changed for good, to be published: the message, and who must obey it."""

    change: ControlChange
    target: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All settings in force (key → canonical JSON), as new as the journal's (epoch, seq)."""

    values: Mapping[str, str]
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class ConsentState:
    """The newest word on one consent."""

    target: str
    given: bool
    time_us: int
    wording: str


class Ledger:
    """The state of governance in one opened file."""

    def __init__(self, database: peewee.SqliteDatabase, now_us: Callable[[], int]) -> None:
        self._now_us = now_us
        self.journal = Journal(database, now_us())
        self.journal.trim(JOURNAL_ROWS)

    def head(self) -> tuple[int, int]:
        """Return (epoch, seq) of the newest journal row."""
        return self.journal.epoch, self.journal.head()

    def stored(self) -> dict[str, str]:
        """Return the values somebody chose, fit for the catalogue or not."""
        return {row.key: row.value for row in SettingRow.select()}

    def values(self) -> dict[str, str]:
        """Return every setting with the value in force."""
        return in_force(self.stored())[0]

    def is_fresh(self) -> bool:
        """Return whether nothing was ever changed in this file."""
        return not ChangeRow.select().exists()

    def restore(self, plan: Plan) -> None:
        """Bring settings back that were in force before this file began."""
        if plan.steps:
            self.commit(plan, SELF)
            now = self._now_us()
            details = details_text({"settings": str(len(plan.steps)), "why": "the database began anew"})
            chain.append([AuditRecord(f"restore:{new_id(now)}", now, SELF, "settings.restored", details)])

    def snapshot(self) -> Snapshot:
        return Snapshot(self.values(), *self.head())

    def consents(self) -> dict[str, ConsentState]:
        """Return the newest word on each consent ever given."""
        return {
            row.target: ConsentState(row.target, row.given, row.time_us, row.wording)
            for row in ConsentRow.select().order_by(ConsentRow.id)
        }

    def given(self) -> dict[str, bool]:
        return {target: state.given for target, state in self.consents().items()}

    def commit(self, plan: Plan, actor: str, undoes: str | None = None, compensates: bool = False) -> list[Committed]:
        """Write everything of a plan: consents, values with their undo, audit rows, journal rows."""
        now = self._now_us()
        self._write_consents(plan, actor, now)
        made: list[Committed] = []
        audit: list[AuditRecord] = []
        group = new_id(now)
        for number, step in enumerate(plan.steps):
            row = ChangeRow.create(
                id=group if number == 0 else f"{group}.{number}",
                group=group,
                key=step.key,
                value=step.value,
                undo=step.undo,
                actor=actor,
                time_us=now,
                undoes=undoes,
                compensates=compensates,
            )
            SettingRow.insert(key=step.key, value=step.value, change_id=row.id).on_conflict_replace().execute()
            committed = as_committed(row)
            self.journal.append(topics.control(committed.target), committed.change.SerializeToString())
            made.append(committed)
            details = {"change": row.id, "key": step.key, "from": step.undo, "to": step.value}
            if undoes:
                details["undoes"] = undoes
            audit.append(AuditRecord(f"change:{row.id}", now, actor, "setting.changed", details_text(details)))
        chain.append(audit)
        return made

    def undo(self, change_id: str, actor: str) -> list[Committed]:
        """Take back a change and those made with it. Raises UnknownChange, Refused."""
        row = ChangeRow.get_or_none(ChangeRow.id == change_id)
        if row is None:
            raise UnknownChange(f"there is no change {change_id!r}; `wfmon settings changes` lists them")
        if row.undone:
            raise Refused(f"the change {change_id} has been taken back already")
        made = [_made(one) for one in self._group(row.group)]
        committed = self.commit(plan_undo(made, self.values(), self.given()), actor, undoes=row.group)
        ChangeRow.update(undone=True).where(ChangeRow.group == row.group).execute()
        return committed

    def settle(self, change_id: str, target: str, applied: bool, reason: str) -> list[Committed] | None:
        """Note a target's answer, once. A refusal takes the change back with all that was made with it.

        None where the answer is not one we wait for: of an unknown change, another target, or given before.
        """
        row = ChangeRow.get_or_none(ChangeRow.id == change_id)
        if row is None or row.outcome != "pending" or target_of(row.key) != target:
            return None
        outcome = "applied" if applied else "refused"
        ChangeRow.update(outcome=outcome, reason=reason).where(ChangeRow.id == change_id).execute()
        if applied:
            return []
        details = details_text({"change": change_id, "key": row.key, "value": row.value, "reason": reason})
        actor = f"service:{target}"
        refusal = AuditRecord(f"refused:{change_id}", self._now_us(), actor, "setting.refused", details)
        chain.append([refusal])
        # What takes a refused change back is not taken back itself: that would go on for ever.
        return [] if row.compensates else self._take_back(row.group)

    def _take_back(self, group: str) -> list[Committed]:
        """Undo a refused change, as far as no later one stands on it and no consent would come back by it."""
        values = self.values()
        taken = [
            _made(row)
            for row in self._group(group)
            if not row.undone and values[row.key] == row.value and not (find(row.key).consent and row.undo == "true")
        ]
        ChangeRow.update(undone=True).where(ChangeRow.group == group).execute()
        plan = plan_undo(taken, values, self.given())
        return self.commit(plan, SELF, undoes=group, compensates=True)

    def _write_consents(self, plan: Plan, actor: str, now: int) -> None:
        audit = []
        for target, given, wording in plan.consents:
            ConsentRow.create(target=target, given=given, time_us=now, wording=wording, actor=actor)
            kind = "consent.given" if given else "consent.withdrawn"
            details = details_text({"target": target, "wording": wording})
            audit.append(AuditRecord(f"consent:{new_id(now)}", now, actor, kind, details))
        chain.append(audit)

    def _group(self, group: str) -> list[ChangeRow]:
        return list(ChangeRow.select().where(ChangeRow.group == group).order_by(ChangeRow.number))


def target_of(key: str) -> str:
    """Return the service that obeys `key`; empty for a key of an older version, no setting any more."""
    spec = settings_catalogue().get(key)
    return spec.target if spec else ""


def as_committed(row: ChangeRow) -> Committed:
    """Return a row of the table as the message it is published by."""
    change = ControlChange(id=row.id, key=row.key, value=row.value, undo=row.undo, actor=row.actor, time_us=row.time_us)
    return Committed(change, target_of(row.key))


def new_id(now_us: int) -> str:
    """Return an id that no other has and that sorts by time."""
    return f"{now_us:016x}-{secrets.token_hex(4)}"


def _made(row: ChangeRow) -> Made:
    return Made(row.id, row.key, row.value, row.undo)
