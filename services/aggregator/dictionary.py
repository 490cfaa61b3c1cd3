"""Which tables and series there are, and the numbers chunks know them by."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from wfmonitor.v1.sample_pb2 import RateGroup

from bus.series import Series
from services.aggregator.batch import TableKey
from services.aggregator.store_schema import ColumnRow, TableRow, tuples


class Column(NamedTuple):
    """A series in a table, and the line its rows are in."""

    id: int
    table_id: int
    line: int
    series: Series


@dataclass(slots=True)
class Table:
    """A table and its columns; `columns` grows, and never shrinks."""

    id: int
    key: TableKey
    rate_hz: float
    line: int
    """Number of the table on whose clock its rows lie: tables of one line share the rows of their chunks."""
    columns: dict[Series, int] = field(default_factory=dict)


class Dictionary:
    """Numbers are given in memory and written with the chunk that first uses them.

    So a chunk can be made before it is committed, and waits with its names when the disk is full.
    """

    def __init__(self) -> None:
        self._tables: dict[TableKey, Table] = {}
        self._by_id: dict[int, Table] = {}
        self._by_metric: dict[str, list[Column]] = {}
        self._next_column = 1
        self._unsaved_tables: dict[int, Table] = {}
        self._unsaved_columns: list[Column] = []

    @property
    def tables(self) -> Iterable[Table]:
        """All of them."""
        return self._tables.values()

    def find(self, key: TableKey) -> Table | None:
        """The table of a key."""
        return self._tables.get(key)

    def line_name(self, line: int) -> str:
        """What a line is called in accounts: its first table."""
        return str(self._by_id[line].key)

    def columns_of(self, metric: str) -> Sequence[Column]:
        """Every column of a metric, over all tables."""
        return self._by_metric.get(metric, ())

    def events_of(self, metric: str) -> set[Series]:
        """The series of a metric whose rows came as things happened."""
        event = RateGroup.RATE_GROUP_EVENT
        return {column.series for column in self.columns_of(metric) if self._by_id[column.table_id].key.group == event}

    def add_table(self, key: TableKey, rate_hz: float, line: int = 0) -> Table:
        """A new table in a line, or in one of its own (0)."""
        number = max(self._by_id, default=0) + 1
        table = Table(number, key, rate_hz, line or number)
        self._add_table(table)
        self._unsaved_tables[number] = table
        return table

    def set_rate(self, table: Table, rate_hz: float) -> None:
        """The rate of its newest rows."""
        if table.rate_hz != rate_hz:
            table.rate_hz = rate_hz
            self._unsaved_tables[table.id] = table

    def numbers(self, table: Table, series: Iterable[Series]) -> list[int]:
        """The columns of some series, given anew where they are."""
        ids = []
        for one in series:
            found = table.columns.get(one)
            if found is None:
                column = Column(self._next_column, table.id, table.line, one)
                self._add_column(column)
                self._unsaved_columns.append(column)
                found = column.id
            ids.append(found)
        return ids

    # -- the database side: `load` and `save` run on its thread -------------------------------

    def load(self) -> None:
        """Fill from the file."""
        tables = TableRow.select(
            TableRow.id, TableRow.producer, TableRow.source, TableRow.rate_group, TableRow.rate_hz, TableRow.line
        )
        for number, producer, source, group, rate_hz, line in tuples(tables.order_by(TableRow.id)):
            self._add_table(Table(number, TableKey(producer, source, group), rate_hz, line))
        fields = (ColumnRow.id, ColumnRow.table_id, ColumnRow.metric, ColumnRow.source, ColumnRow.labels)
        for number, table_id, metric, source, labels in tuples(ColumnRow.select(*fields).order_by(ColumnRow.id)):
            series = Series(metric, source, tuple(sorted(json.loads(labels).items())))
            self._add_column(Column(number, table_id, self._by_id[table_id].line, series))

    def unsaved(self) -> tuple[list[Table], list[Column]]:
        """What the file does not know yet."""
        return list(self._unsaved_tables.values()), list(self._unsaved_columns)

    @staticmethod
    def save(tables: Iterable[Table], columns: Iterable[Column]) -> None:
        """Write them, inside the caller's transaction."""
        for table in tables:
            TableRow.insert(
                id=table.id,
                producer=table.key.producer,
                source=table.key.source,
                rate_group=table.key.group,
                rate_hz=table.rate_hz,
                line=table.line,
            ).on_conflict_replace().execute()
        for column in columns:
            metric, source, labels = column.series
            ColumnRow.insert(
                id=column.id,
                table_id=column.table_id,
                metric=metric,
                source=source,
                labels=json.dumps(dict(labels), separators=(",", ":")),
            ).on_conflict_replace().execute()

    def saved(self, tables: Iterable[Table], columns: Sequence[Column]) -> None:
        """Their transaction is committed."""
        for table in tables:
            self._unsaved_tables.pop(table.id, None)
        written = {column.id for column in columns}
        self._unsaved_columns = [column for column in self._unsaved_columns if column.id not in written]

    def forget_saved(self) -> None:
        """The file is a fresh one: everything has to be written again, under the same numbers."""
        self._unsaved_tables = dict(self._by_id)
        self._unsaved_columns = [column for columns in self._by_metric.values() for column in columns]

    def _add_table(self, table: Table) -> None:
        self._tables[table.key] = table
        self._by_id[table.id] = table

    def _add_column(self, column: Column) -> None:
        self._by_id[column.table_id].columns[column.series] = column.id
        self._by_metric.setdefault(column.series.metric, []).append(column)
        self._next_column = max(self._next_column, column.id + 1)
