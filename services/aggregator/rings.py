"""All rings: which tables there are, what they hold, and how much memory they may take."""

from collections.abc import Iterator

from bus.series import Series
from services.aggregator.batch import Batch, TableKey
from services.aggregator.table import RING_S, RingTable

# 5 minutes of 400 columns at 60 Hz are 58 MB; the machine's own tables take 5 to 10.
MEMORY_BYTES = 96 << 20
# Of it, for tables that come faster than they say: 5 minutes of 80 columns at 60 Hz are 18 MB.
STRETCH_BYTES = 32 << 20


class RingFull(MemoryError):
    """A table that would grow past the memory the rings may take."""


class Rings:
    """Tables by key, and an index from a metric to the tables that have it."""

    def __init__(self, memory_bytes: int = MEMORY_BYTES, *, seconds: int = RING_S) -> None:
        self._tables: dict[TableKey, RingTable] = {}
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._by_metric: dict[str, list[RingTable]] = {}
        self.version = 0  # grows when a series comes or goes
        self._indexed: dict[TableKey, int] = {}  # table → version the index was made of

    def __iter__(self) -> Iterator[RingTable]:
        return iter(self._tables.values())

    def __len__(self) -> int:
        return len(self._tables)

    @property
    def bytes(self) -> int:
        return sum(table.bytes for table in self)

    @property
    def short(self) -> int:
        """How many tables come so fast that they are held less than five minutes."""
        return sum(table.short for table in self)

    def get(self, key: TableKey) -> RingTable | None:
        return self._tables.get(key)

    def knows(self, batch: Batch) -> bool:
        """Whether the batch's columns can be told."""
        if batch.series is not None:
            return True
        table = self._tables.get(batch.key)
        return table is not None and table.knows(batch.schema)

    def append(self, batch: Batch, *, stored: bool = False) -> RingTable:
        """Appends to the batch's table, made where it is new.

        Raises RingFull where the table would take more memory than the rings may have.
        """
        table = self._tables.get(batch.key)
        if table is None:
            table = RingTable(batch.key, batch.rate_hz, seconds=self._seconds)
        if not table.knows(batch.schema) or batch.rate_hz > table.rate_hz:
            if self._wanted(table, batch) > self._memory_bytes:
                wanted = self._wanted(table, batch, stretched=False)
                if wanted > self._memory_bytes:
                    raise RingFull(
                        f"{batch.key}: {batch.values.shape[0]} columns at {batch.rate_hz:g} Hz need {wanted >> 20} MiB "
                        f"of rings, {self._memory_bytes >> 20} are allowed; lower its rate or its number of series"
                    )
                for one in self:
                    one.give_back()
        elif table.appended >= table.look_again:
            self._look(table)
        table.append(batch, stored=stored)
        if self._indexed.get(batch.key) != table.version:
            self._tables[batch.key] = table
            self._index(table)
        return table

    def _wanted(self, table: RingTable, batch: Batch, *, stretched: bool = True) -> int:
        """Memory of all rings once the batch is in its table, at most; or, had the stretched ones given back."""
        others = sum(one.bytes - (0 if stretched else one.stretched_bytes) for one in self if one is not table)
        return others + table.bytes_to_append(batch, stretched=stretched)

    def _look(self, table: RingTable) -> None:
        """A longer ring for a table that comes faster than it says, where there is room for it."""
        if table.short:
            more = table.bytes  # twice as long takes as much again
            stretched = sum(one.stretched_bytes for one in self)
            if stretched + more <= STRETCH_BYTES and self.bytes + more <= self._memory_bytes:
                table.stretch()
        # Once it is full, each 1/64 of a ring: a look takes 1 µs, a fifth of what appending a row does.
        table.look_again = table.appended + (table.room or table.rows >> 6)

    def _index(self, table: RingTable) -> None:
        self.version += 1
        self._indexed[table.key] = table.version
        held = {series.metric for series in table.series}
        for metric in held:
            tables = self._by_metric.setdefault(metric, [])
            if table not in tables:
                tables.append(table)
        for metric in [m for m, tables in self._by_metric.items() if m not in held and table in tables]:
            self._by_metric[metric].remove(table)
            if not self._by_metric[metric]:
                del self._by_metric[metric]

    def tables_with(self, metric: str) -> list[RingTable]:
        return self._by_metric.get(metric, [])

    @property
    def metrics(self) -> list[str]:
        return sorted(self._by_metric)

    def series(self) -> Iterator[tuple[Series, RingTable, int]]:
        """Every series held, its table and its column."""
        for table in self:
            for series, column in table.series.items():
                yield series, table, column

    def drop_silent(self, now_boot_us: int, silent_us: int) -> list[TableKey]:
        """Forgets tables without a row for so long that need no storing any more; returns their keys.

        By the boot clock: setting the wall clock makes no table old. One of another boot is silent for good.
        """
        gone = [
            table
            for table in self
            if not -silent_us < now_boot_us - table.newest_boot_us < silent_us
            and (table.stored >= table.appended or table.shown_only)
        ]
        for table in gone:
            self.version += 1
            del self._tables[table.key]
            del self._indexed[table.key]
            for metric in {series.metric for series in table.series}:
                self._by_metric[metric].remove(table)
                if not self._by_metric[metric]:
                    del self._by_metric[metric]
        return [table.key for table in gone]
