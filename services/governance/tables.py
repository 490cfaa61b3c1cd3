"""The tables of governance.db."""

from __future__ import annotations

import peewee


class SettingRow(peewee.Model):
    """A value somebody chose; without a row the catalogue's default is in force."""

    key = peewee.TextField(primary_key=True)
    value = peewee.TextField()  # canonical JSON
    change_id = peewee.TextField()  # the change that put it here

    class Meta:
        table_name = "setting"
        without_rowid = True


class ChangeRow(peewee.Model):
    """One setting of a change. Those made together share `group`, which is the id of the one asked for."""

    number = peewee.AutoField()  # the order in which they were made, whatever the wall clock did
    id = peewee.TextField(unique=True)
    group = peewee.TextField(index=True)
    key = peewee.TextField(index=True)
    value = peewee.TextField()
    undo = peewee.TextField()
    actor = peewee.TextField()
    time_us = peewee.BigIntegerField()
    undoes = peewee.TextField(null=True)  # group this one takes back
    compensates = peewee.BooleanField(default=False)  # taken back because a target refused
    undone = peewee.BooleanField(default=False)
    outcome = peewee.TextField(default="pending")  # pending, applied, refused
    reason = peewee.TextField(default="")
    announced = peewee.BooleanField(default=False, index=True)  # published on the bus after its commit

    class Meta:
        table_name = "change"


class ConsentRow(peewee.Model):
    """Each giving and withdrawing of a consent; the newest of a target is in force."""

    id = peewee.AutoField()
    target = peewee.TextField(index=True)
    given = peewee.BooleanField()
    time_us = peewee.BigIntegerField()
    wording = peewee.TextField()
    actor = peewee.TextField()

    class Meta:
        table_name = "consent"


class AuditTable(peewee.Model):
    """The chain (services/governance/audit.py). `event_id` makes appending idempotent."""

    number = peewee.IntegerField(primary_key=True)
    event_id = peewee.TextField(unique=True)
    time_us = peewee.BigIntegerField()
    actor = peewee.TextField()
    type = peewee.TextField()
    details = peewee.TextField()
    previous_hash = peewee.BlobField()
    hash = peewee.BlobField()

    class Meta:
        table_name = "audit"


class AuditHead(peewee.Model):
    """The newest number and hash of the chain, kept apart so that a cut end shows."""

    id = peewee.IntegerField(primary_key=True)  # always 1
    number = peewee.IntegerField()
    hash = peewee.BlobField()

    class Meta:
        table_name = "audit_head"


TABLES: tuple[type[peewee.Model], ...] = (SettingRow, ChangeRow, ConsentRow, AuditTable, AuditHead)
