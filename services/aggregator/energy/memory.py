"""What is known of models, in the aggregator's SQLite file: read at the start, written with each flush."""

import sqlite3
from collections.abc import Callable
from typing import Any

import peewee

from bus.database import DatabaseReplaced, DiskFull
from bus.logs import ServiceLogger
from services.aggregator.energy.learned import Learned
from services.aggregator.energy.slowdown import Baseline, Bin
from services.aggregator.energy.speeds import DAYS, Histogram
from services.aggregator.store import Store
from services.aggregator.store_schema import BaselineRow, ModelRow, SpeedRow, tuples

_Rows = list[dict[str, Any]]


class Memory:
    """Keeps `learned`. `allowed`: whether it may be written; what is learned meanwhile is written once it may."""

    def __init__(self, store: Store, allowed: Callable[[], bool], log: ServiceLogger) -> None:
        """Reads the file; it blocks for some milliseconds."""
        self.learned = Learned()
        self._store = store
        self._allowed = allowed
        self._log = log
        self._file = store.quarantined
        store.db.read_sync(lambda _: self._load())

    def _load(self) -> None:
        learned = self.learned
        for model, lifetime_s in tuples(ModelRow.select(ModelRow.model, ModelRow.lifetime_energy_s)):
            learned.lifetimes_s[model] = lifetime_s
        for model, day, seconds in tuples(SpeedRow.select(SpeedRow.model, SpeedRow.day, SpeedRow.seconds)):
            try:
                learned.weeks[model].days[day] = Histogram.from_bytes(bytes(seconds))
            except ValueError as fault:
                self._log.warning(
                    "a day of a model's speeds cannot be read", source=f"model:{model}", reason=str(fault)
                )

        keys = (BaselineRow.model, BaselineRow.batch, BaselineRow.context)
        sums = (BaselineRow.weight, BaselineRow.log_sum, BaselineRow.at_days)
        for model, batch, context, *row in tuples(BaselineRow.select(*keys, *sums)):
            learned.baselines.rows[Bin(model, batch, context)] = Baseline(*row)

    async def save(self) -> None:
        """Writes what changed since the last time. Where it cannot be written, it goes with a later save."""
        learned = self.learned
        if self._file is not self._store.quarantined:
            self._file = self._store.quarantined
            learned.all_changed()
        baselines = learned.baselines
        if not (learned.changed or learned.changed_days or baselines.changed) or not self._allowed():
            return
        bins, baselines.changed = baselines.changed, set()
        models, learned.changed = learned.changed, set()
        days, learned.changed_days = learned.changed_days, set()
        lifetimes = [{"model": model, "lifetime_energy_s": learned.lifetime_s(model)} for model in sorted(models)]
        speeds = [
            {"model": model, "day": day, "seconds": learned.weeks[model].days[day].to_bytes()}
            for model, day in sorted(days)
            if day in learned.weeks[model].days
        ]
        alone = [bin_._asdict() | baselines.rows[bin_]._asdict() for bin_ in sorted(bins)]
        try:
            await self._store.run(lambda _: _write(lifetimes, speeds, alone))
        except (DatabaseReplaced, DiskFull, peewee.PeeweeException, sqlite3.Error, OSError) as error:
            baselines.changed |= bins
            learned.changed |= models
            learned.changed_days |= days
            self._log.warning("what was learned of models waits to be written", reason=str(error))


def _write(lifetimes: _Rows, speeds: _Rows, alone: _Rows) -> None:
    for table, rows in ((ModelRow, lifetimes), (SpeedRow, speeds), (BaselineRow, alone)):
        for row in rows:
            table.insert(**row).on_conflict_replace().execute()
    if speeds:
        too_old = max(row["day"] for row in speeds) - DAYS
        SpeedRow.delete().where(SpeedRow.day <= too_old).execute()
