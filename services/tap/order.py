"""The orders that requests are listed in, and the pages of such a list. What was not measured stands last, either way.

A page begins after a request, not after a count: what is kept meanwhile moves no page. Time, model and length have an
index. The other figures have none: each would write two more pages to the disk with every request, for an order that a
person asks for now and then, and the 500,000 records that are kept at most are put in order in 0.1 s.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import peewee
from wfmonitor.v1.request_pb2 import RequestRecord

from services.tap.tables import RequestRow

COLUMNS = {
    "time": "start_us",
    "model": "model",
    "ttft": "ttft_ms",
    "e2e": "e2e_ms",
    "tpot": "tpot_ms",
    "prompt": "prompt_tokens",
    "output": "output_tokens",
    "joules": "joules",
    "outcome": "outcome",
}
"""What a list may be ordered by → the column of tap.db."""
SHORT_FORMS = {"": "time", "newest": "time", "slowest": "e2e"}
FIGURES = ("ttft_ms", "tpot_ms", "prompt_tokens", "output_tokens", "joules")

_NEXT = "SELECT number, record FROM request WHERE number > ? ORDER BY number LIMIT 1000"
_FILL = """UPDATE request SET ttft_ms = ?, tpot_ms = ?, prompt_tokens = ?, output_tokens = ?, joules = ?, outcome = ?
WHERE number = ?"""


class Order(NamedTuple):
    """By a name of `COLUMNS`, the greatest (newest, last in the alphabet) first unless `ascending`."""

    name: str = "time"
    ascending: bool = False

    @property
    def _field(self) -> Any:
        return getattr(RequestRow, COLUMNS[self.name])

    def terms(self) -> tuple[Any, Any]:
        """What to order by: equal ones newest first."""
        given = self._field.asc(nulls="LAST") if self.ascending else self._field.desc(nulls="LAST")
        return given, RequestRow.number.desc()

    def after(self, row: RequestRow) -> Any:
        """The condition of what stands behind a row."""
        value = getattr(row, COLUMNS[self.name])
        older = RequestRow.number < row.number
        if value is None:
            return self._field.is_null() & older
        beyond = self._field > value if self.ascending else self._field < value
        return beyond | ((self._field == value) & older) | self._field.is_null()


def figures_of(record: RequestRecord) -> tuple[float | str | None, ...]:
    """Return the values of `FIGURES` and the outcome (error's class, else finish reason); None: not measured."""
    measured = (getattr(record, name) if record.HasField(name) else None for name in FIGURES)  # type: ignore[arg-type]
    return *measured, record.error or record.finish_reason or None


def add_columns(database: peewee.SqliteDatabase) -> None:
    """Give a file of an earlier version the columns that it lacks, from its records (9 µs each, once)."""
    present = {column.name for column in database.get_columns("request")}
    missing = [name for name in (*FIGURES, "outcome") if name not in present]
    if not missing:
        return
    # Here, since it takes 5 ms, and a file of an earlier version is met once.
    from playhouse.migrate import SqliteMigrator, migrate

    migrator = SqliteMigrator(database)
    migrate(*(migrator.add_column("request", name, getattr(RequestRow, name)) for name in missing))
    number = 0
    while rows := database.execute_sql(_NEXT, (number,)).fetchall():
        for number, payload in rows:
            database.execute_sql(_FILL, (*figures_of(RequestRecord.FromString(payload)), number))
