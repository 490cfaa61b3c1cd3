"""The table of tap.db: one row a generation, and no word of what was said."""

from __future__ import annotations

import peewee


class RequestRow(peewee.Model):
    """A RequestRecord, and the columns it is found and ordered by."""

    number = peewee.AutoField()
    id = peewee.TextField(unique=True)
    start_us = peewee.BigIntegerField(index=True)
    model = peewee.TextField(index=True)
    e2e_ms = peewee.FloatField(null=True, index=True)
    ttft_ms = peewee.FloatField(null=True)
    tpot_ms = peewee.FloatField(null=True)
    prompt_tokens = peewee.BigIntegerField(null=True)
    output_tokens = peewee.BigIntegerField(null=True)
    joules = peewee.FloatField(null=True)
    outcome = peewee.TextField(null=True)
    record = peewee.BlobField()

    class Meta:
        table_name = "request"
