"""tap.db and the thread that owns it: records of requests, and their journal, in one transaction (DESIGN §3)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import peewee
from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord

from bus import topics
from bus.clock import wall_us
from bus.database import Database
from bus.journal.journal import Journal
from bus.journal.replay import Held
from bus.journal.ring_file import Row
from bus.runtime_names import runtime_name
from services.tap import client_store
from services.tap.client_store import Total
from services.tap.compare_store import CompareRow
from services.tap.order import Order, add_columns, figures_of
from services.tap.tables import RequestRow

# Who was away longer than this many requests lists them instead.
JOURNAL_ROWS = 10_000
# A client that asks for embeddings in a loop may not fill the disk: about 150 MB.
MOST_RECORDS = 500_000
_DAY_US = 86_400_000_000
_NEWEST = Order()
_INSERT = """INSERT OR IGNORE INTO request (id, start_us, model, e2e_ms, record,
ttft_ms, tpot_ms, prompt_tokens, output_tokens, joules, outcome) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"""

_RECORD = "SELECT record FROM request WHERE id = ?"
_REWRITE = "UPDATE request SET record = ?, joules = ? WHERE id = ?"


class Page(NamedTuple):
    """A part of a list in its order."""

    records: list[RequestRecord]
    total: int
    """Of the whole list."""
    more: bool
    """Whether there are others behind these."""


class Store:
    """What is kept is committed when it returns (`synchronous=FULL`)."""

    def __init__(self, path: Path, quarantine: Path, now_us: Callable[[], int] = wall_us) -> None:
        """Open `path`; a broken file moves into `quarantine` and a fresh one starts."""
        self._now_us = now_us
        self._journal: Journal
        self.head = (0, 0)
        """(epoch, seq) of the newest journal row that is committed, as Health says it."""
        self.database = Database(
            path,
            quarantine=quarantine,
            models=[RequestRow, CompareRow, *client_store.MODELS],
            synchronous="FULL",
            on_open=self._on_open,
        )

    def close(self) -> None:
        """Finish what was asked for, and close the file."""
        self.database.close()

    async def keep(self, records: Sequence[RequestRecord]) -> list[Row]:
        """Keep records, each id once; return their journal rows, to be published now."""

        def write(database: peewee.SqliteDatabase) -> list[Row]:
            return [row for record in records if (row := self._insert(database, record)) is not None]

        rows = await self.database.run(write)
        if rows:
            self.head = (rows[-1].epoch, rows[-1].seq)
        return rows

    def _insert(self, database: peewee.SqliteDatabase, record: RequestRecord) -> Row | None:
        # Plain SQL: building the same by peewee takes five times as long, and the interpreter from the traffic.
        payload = record.SerializeToString()
        e2e_ms = record.e2e_ms if record.HasField("e2e_ms") else None
        values = (record.id, record.start_us, record.model, e2e_ms, payload, *figures_of(record))
        added = database.execute_sql(_INSERT, values)
        if not added.rowcount:
            return None
        if record.client:
            client_store.keep(database, record)
        return self._journal.append(topics.request(record.model), payload)

    async def add_costs(self, costs: Sequence[RequestCost]) -> set[str]:
        """Write into records what they cost; return the ids of those that are here.

        The journal keeps the record as it ended: a cost is told on a topic of its own.
        """

        def write(database: peewee.SqliteDatabase) -> set[str]:
            return {cost.id for cost in costs if self._add_cost(database, cost)}

        return await self.database.run(write)

    @staticmethod
    def _add_cost(database: peewee.SqliteDatabase, cost: RequestCost) -> bool:
        row = database.execute_sql(_RECORD, (cost.id,)).fetchone()
        if row is None:
            return False
        record = RequestRecord.FromString(bytes(row[0]))
        if cost.HasField("joules"):
            record.joules, record.joules_attribution = cost.joules, cost.joules_attribution
        if cost.HasField("energy_mean"):
            record.energy_mean = cost.energy_mean
        joules = record.joules if record.HasField("joules") else None
        database.execute_sql(_REWRITE, (record.SerializeToString(), joules, cost.id))
        if record.client:
            client_store.add_cost(database, cost)
        return True

    async def trim(self, max_age_days: float) -> int:
        """Remove records older than this, and the oldest beyond the most; return how many went."""
        oldest_us = self._now_us() - round(max_age_days * _DAY_US)

        def remove(database: peewee.SqliteDatabase) -> int:
            gone = RequestRow.delete().where(RequestRow.start_us < oldest_us).execute()
            newest = RequestRow.select(peewee.fn.MAX(RequestRow.number)).scalar() or 0
            gone += RequestRow.delete().where(RequestRow.number <= newest - MOST_RECORDS).execute()
            client_store.trim(database)
            self._journal.trim(JOURNAL_ROWS)
            return int(gone)

        return await self.database.run(remove)

    async def list(
        self,
        limit: int,
        model: str = "",
        *,
        order: Order = _NEWEST,
        after_id: str = "",
        after_us: int = 0,
        before_us: int = 0,
    ) -> Page:
        """Return records with a start in [after_us, before_us), 0: open; those behind the one of `after_id`.

        Raises LookupError where there is no record of that id.
        """
        query = RequestRow.select(RequestRow.number)
        for given, condition in (
            (model, RequestRow.model == model),
            (after_us, RequestRow.start_us >= after_us),
            (before_us, RequestRow.start_us < before_us),
        ):
            if given:
                query = query.where(condition)

        def read(_: peewee.SqliteDatabase) -> tuple[list[bytes], int]:
            page = query
            if after_id:
                last = RequestRow.get_or_none(RequestRow.id == after_id)
                if last is None:
                    raise LookupError(after_id)
                page = query.where(order.after(last))
            # Numbers first: to put whole records in order would be to carry them.
            numbers = [row.number for row in page.order_by(*order.terms()).limit(limit + 1)]
            rows = RequestRow.select(RequestRow.number, RequestRow.record).where(RequestRow.number << numbers)
            found = {row.number: row.record for row in rows}
            return [found[number] for number in numbers], query.count()

        payloads, total = await self.database.read(read)
        return Page([_record(payload) for payload in payloads[:limit]], total, len(payloads) > limit)

    async def get(self, id_: str) -> RequestRecord | None:
        """Return one record; None where there is none of this id."""

        def read(_: peewee.SqliteDatabase) -> bytes | None:
            row = RequestRow.get_or_none(RequestRow.id == id_)
            return None if row is None else bytes(row.record)

        payload = await self.database.read(read)
        return None if payload is None else _record(payload)

    def client_key(self) -> bytes:
        """Return the key of clients' hashes, made when first asked for; blocks for that."""
        return self.database.run_sync(lambda _: client_store.key())

    async def clients(self, after_us: int) -> Sequence[Total]:
        """Return each client's totals over requests with a start at `after_us` or later."""
        return await self.database.read(lambda database: client_store.totals(database, after_us))

    async def client_names(self) -> dict[str, str]:
        """Return hash → the name that was given."""
        return await self.database.read(lambda _: client_store.names())

    async def name_client(self, client: str, name: str) -> bool:
        """Name a client, "" takes its name away; return whether it was ever seen."""
        return await self.database.run(lambda _: client_store.set_name(client, name))

    def held(self, epoch: int, since: int) -> Held:
        """Return the journal's rows after (epoch, since), for Replay; blocks for that read."""
        return self.database.read_sync(lambda _: self._journal.held(epoch, since))

    def _on_open(self, database: peewee.SqliteDatabase) -> None:
        add_columns(database)
        self._journal = Journal(database, self._now_us())
        self.head = (self._journal.epoch, self._journal.head())


def _record(payload: bytes) -> RequestRecord:
    """A record as it was kept, its runtime under the present name."""
    record = RequestRecord.FromString(bytes(payload))
    record.runtime = runtime_name(record.runtime)
    return record
