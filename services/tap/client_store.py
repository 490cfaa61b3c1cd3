"""What tap.db holds of clients: the key of their hashes, names the person gave, and a row a request, for totals.

Every function runs on the thread of the database. Without consent there is no row in any of these tables.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

import peewee
from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord

KEY_BYTES = 16
_INSERT = """INSERT OR IGNORE INTO client_request
(id, client, start_us, prompt_tokens, output_tokens, e2e_ms) VALUES (?, ?, ?, ?, ?, ?)"""
_TOTALS = """SELECT client, COALESCE(name, ''), COUNT(*), SUM(prompt_tokens), SUM(output_tokens), SUM(e2e_ms),
SUM(joules), COUNT(joules), MAX(start_us)
FROM client_request LEFT JOIN client_name USING (client) WHERE start_us >= ? GROUP BY client ORDER BY COUNT(*) DESC"""


class ClientRequest(peewee.Model):
    """What of a request counts for its client."""

    id = peewee.TextField(primary_key=True)
    client = peewee.TextField(index=True)
    start_us = peewee.BigIntegerField(index=True)
    prompt_tokens = peewee.BigIntegerField(null=True)
    output_tokens = peewee.BigIntegerField(null=True)
    e2e_ms = peewee.FloatField(null=True)
    joules = peewee.FloatField(null=True)

    class Meta:
        table_name = "client_request"


class ClientName(peewee.Model):
    """A name the person gave to a hash."""

    client = peewee.TextField(primary_key=True)
    name = peewee.TextField()

    class Meta:
        table_name = "client_name"


class ClientKey(peewee.Model):
    """The key of the hashes, one row."""

    key = peewee.BlobField()

    class Meta:
        table_name = "client_key"


MODELS = [ClientRequest, ClientName, ClientKey]


class Total(NamedTuple):
    """Sums over one client's requests; None: measured of none of them."""

    client: str
    name: str
    requests: int
    prompt_tokens: int | None
    output_tokens: int | None
    e2e_ms: float | None
    joules: float | None
    with_joules: int
    newest_us: int


def key() -> bytes:
    """Return the key of the hashes; made at the first call."""
    row = ClientKey.select().first()
    if row is None:
        row = ClientKey.create(key=secrets.token_bytes(KEY_BYTES))
    return bytes(row.key)


def keep(database: peewee.SqliteDatabase, record: RequestRecord) -> None:
    """Note a request for its client's totals."""
    measured = [
        getattr(record, name) if record.HasField(name) else None
        for name in ("prompt_tokens", "output_tokens", "e2e_ms")
    ]
    database.execute_sql(_INSERT, (record.id, record.client, record.start_us, *measured))


def add_cost(database: peewee.SqliteDatabase, cost: RequestCost) -> None:
    """Note what it cost."""
    if cost.HasField("joules"):
        database.execute_sql("UPDATE client_request SET joules = ? WHERE id = ?", (cost.joules, cost.id))


def trim(database: peewee.SqliteDatabase) -> None:
    """Forget requests whose records are gone."""
    database.execute_sql("DELETE FROM client_request WHERE id NOT IN (SELECT id FROM request)")


def totals(database: peewee.SqliteDatabase, after_us: int) -> list[Total]:
    """Return the totals of each client since then, those with the most requests first."""
    return [Total(*row) for row in database.execute_sql(_TOTALS, (after_us,)).fetchall()]


def names() -> dict[str, str]:
    """Return hash → name."""
    return {row.client: row.name for row in ClientName.select()}


def set_name(client: str, name: str) -> bool:
    """Name a client that was seen, or with "" take its name away; return whether there is such a client."""
    known = ClientRequest.select().where(ClientRequest.client == client).exists()
    if not known and not ClientName.select().where(ClientName.client == client).exists():
        return False
    ClientName.delete().where(ClientName.client == client).execute()
    if name:
        ClientName.create(client=client, name=name)
    return True
