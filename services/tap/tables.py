"""The table of tap.db: one row a generation, and no word of what was said."""

from __future__ import annotations

import peewee


class RequestRow(peewee.Model):
    """A RequestRecord, and the columns it is found by."""

    number = peewee.AutoField()
    id = peewee.TextField(unique=True)
    start_us = peewee.BigIntegerField(index=True)
    model = peewee.TextField(index=True)
    e2e_ms = peewee.FloatField(null=True, index=True)
    record = peewee.BlobField()

    class Meta:
        table_name = "request"
