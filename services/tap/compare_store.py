"""Comparisons that ended, in tap.db: numbers and names of models, nothing that was said."""

from __future__ import annotations

from itertools import islice

import peewee
from wfmonitor.v1.compare_service_pb2 import CompareRun

from bus.database import Database
from bus.model_names import same_model
from bus.runtime_names import runtime_name

# A run is a few kB; the oldest go.
MOST_RUNS = 1000


class CompareRow(peewee.Model):
    """A CompareRun, and what it is found by."""

    number = peewee.AutoField()
    id = peewee.TextField(unique=True)
    start_us = peewee.BigIntegerField(index=True)
    run = peewee.BlobField()

    class Meta:
        table_name = "compare"


class CompareStore:
    """Keeps runs; they are kept until MOST_RUNS newer ones are there."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, run: CompareRun) -> None:
        """Keep a run. Raises DiskFull, DatabaseReplaced."""
        payload = run.SerializeToString()

        def write(_: peewee.SqliteDatabase) -> None:
            CompareRow.insert(id=run.id, start_us=run.start_us, run=payload).on_conflict_replace().execute()
            newest = CompareRow.select(peewee.fn.MAX(CompareRow.number)).scalar() or 0
            CompareRow.delete().where(CompareRow.number <= newest - MOST_RUNS).execute()

        await self._database.run(write)

    async def list(self, limit: int, model: str = "") -> list[CompareRun]:
        """Return the newest runs, of one model or of all; a model by what was asked or what its runtime calls it."""

        def read(_: peewee.SqliteDatabase) -> list[CompareRun]:
            rows = CompareRow.select(CompareRow.run).order_by(CompareRow.number.desc()).limit(MOST_RUNS)
            runs = (_run(bytes(row.run)) for row in rows.iterator())
            return list(islice((run for run in runs if is_of(run, model)), limit))

        # Reading a thousand of them takes a while: on the thread of the database, not in the way of the traffic.
        return await self._database.read(read)

    async def get(self, id_: str) -> CompareRun | None:
        """Return one run; None where there is none of this id."""

        def read(_: peewee.SqliteDatabase) -> bytes | None:
            row = CompareRow.get_or_none(CompareRow.id == id_)
            return None if row is None else bytes(row.run)

        payload = await self._database.read(read)
        return None if payload is None else _run(payload)


def is_of(run: CompareRun, model: str) -> bool:
    """Whether a run has this model, by what was asked for or what its runtime calls it; any run where it is empty."""
    names = (*run.plan.models, *(cell.model for cell in run.cells))
    return not model or any(same_model(model, name) for name in names)


def _run(payload: bytes) -> CompareRun:
    """A run as it was kept, its runtimes under their present names."""
    run = CompareRun.FromString(payload)
    for cell in run.cells:
        cell.runtime = runtime_name(cell.runtime)
    return run
