"""Energy by day, kept for good: a row a day and model, and what went to others and to rest.

A few rows a day, written once a minute in aggregator.db; a kill loses the last minute.
"""

from collections.abc import Container, Iterator
from typing import NamedTuple

import peewee

from bus.database import Database, DatabaseReplaced, DiskFull
from services.aggregator.joules.account import Account, kind_of

MODEL, OTHER, IDLE = "model", "other", "idle"
_TABLE = """CREATE TABLE IF NOT EXISTS energy_day (
    day TEXT NOT NULL, kind TEXT NOT NULL, name TEXT NOT NULL, device TEXT NOT NULL, attribution TEXT NOT NULL,
    joules REAL NOT NULL, tokens INTEGER NOT NULL, PRIMARY KEY (day, kind, name, device, attribution)
) WITHOUT ROWID"""
_ADD = """INSERT INTO energy_day VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE
SET joules = joules + excluded.joules, tokens = tokens + excluded.tokens"""
_READ = "SELECT * FROM energy_day WHERE day >= ? ORDER BY day DESC, joules DESC"


class DayRow(NamedTuple):
    """One row, as it is kept."""

    day: str
    kind: str
    name: str
    device: str
    attribution: str
    joules: float
    tokens: int


class DayBook:
    """`turn` it each second; it writes what came since, once a minute and when the day ends."""

    def __init__(self, database: Database, account: Account) -> None:
        self._database = database
        self._account = account
        self._written: dict[tuple[str, str, str, str], tuple[float, float]] = {}
        self._day = ""

    async def write(self, day: str, *, allowed: Container[str]) -> None:
        """Add what the account grew by since the last call to a day; kinds that may not be kept are forgotten."""
        day, self._day = self._day or day, day
        grown = [DayRow(day, *row) for row in self._grown() if row[0] in allowed]
        if not grown:
            return

        def add(database: peewee.SqliteDatabase) -> None:
            database.execute_sql(_TABLE)
            for row in grown:
                database.execute_sql(_ADD, row)

        try:
            await self._database.run(add)
        except (DiskFull, DatabaseReplaced):
            # The aggregator tells of both; what was not written comes with the next minute.
            for row in grown:
                key = (row.kind, row.name, row.device, row.attribution)
                joules, tokens = self._written[key]
                self._written[key] = (joules - row.joules, tokens - row.tokens)

    async def read(self, from_day: str) -> list[DayRow]:
        """Return the rows of that day and later, newest first."""

        def read(database: peewee.SqliteDatabase) -> list[DayRow]:
            database.execute_sql(_TABLE)
            return [DayRow(*row) for row in database.execute_sql(_READ, (from_day,)).fetchall()]

        return await self._database.run(read)

    def day_ended(self, day: str) -> bool:
        """Whether what was counted so far is of a day before."""
        return self._day not in ("", day)

    def _grown(self) -> Iterator[tuple[str, str, str, str, float, int]]:
        account = self._account
        sums = {
            (MODEL, model, device, label): (joules, account.tokens.get((model, device, label), 0.0))
            for (model, device, label), joules in account.models.items()
        }
        for (device, what), joules in account.split.items():
            if what in (OTHER, IDLE):
                sums[what, device, kind_of(device), ""] = (joules, 0.0)
        for key, (joules, tokens) in sums.items():
            before_j, before_tokens = self._written.get(key, (0.0, 0.0))
            if joules > before_j or tokens > before_tokens:
                self._written[key] = (joules, tokens)
                yield (*key, joules - before_j, round(tokens - before_tokens))
