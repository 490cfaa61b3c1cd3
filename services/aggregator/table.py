"""The ring of one table: its last five minutes exactly, one column a series.

Rows lie one after the other in memory, never wrapped: the arrays are a quarter longer than the
capacity, and when their end is reached the newest rows move back to the front (two copies a sample
over its life, at memory speed). So every window is a plain slice.
"""

import itertools
from math import ceil
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.series import Series
from services.aggregator.batch import MAX_COLUMNS, Batch, Floats, TableKey, Times
from services.aggregator.clock_line import draw_line

RING_S = 300
MAX_HELD_HZ = 60.0  # as fast as anything is drawn; of what comes faster the ring holds less


class Rows(NamedTuple):
    """A slice of a ring, oldest first: views, valid until the next append."""

    line_us: Times
    values: Floats  # (columns asked for, rows)


class Columns(NamedTuple):
    """A schema in this ring: its series and the ring column of each."""

    series: tuple[Series, ...]
    at: NDArray[np.intp]


class RingTable:
    """Rows of (producer, source, group).

    `times_us` is the wall clock as published. `line_us` is the same, except that rows before a step
    of the wall clock are told in the clock of now, so that it only grows and windows never jump
    (CONTRACTS §6, DESIGN §3 "Time").
    """

    def __init__(self, key: TableKey, rate_hz: float, *, seconds: int = RING_S) -> None:
        self.key = key
        self.rate_hz = rate_hz
        self.shown_only = False
        self.stored = 0  # rows appended so far that need no storing any more
        self.appended = 0  # rows appended since the ring was made
        self.version = 0  # grows when a column is given to another series
        self.schema = 0  # of the newest row
        self._seconds = seconds
        self._capacity = self._rows_for(rate_hz)
        self.look_again = 0  # so many rows appended, and whether the ring is long enough is worth a look
        self._start = self._end = 0  # rows held: [start, end) of the arrays
        self._columns: dict[Series, int] = {}
        self._series: list[Series] = []
        self._schemas: dict[int, Columns] = {}
        self._last_row: dict[int, int] = {}  # schema → number of the row after its newest
        length = self._length()
        self.times_us: Times = np.empty(length, np.int64)
        self.boot_us: Times = np.empty(length, np.int64)
        self.line_us: Times = np.empty(length, np.int64)
        self._row_schema: NDArray[np.uint64] = np.empty(length, np.uint64)
        self.values: Floats = np.empty((0, length))

    @property
    def crowded(self) -> bool:
        """Whether half of the ring waits to be stored: a long replay would overrun what it has brought itself."""
        return not self.shown_only and self.appended - self.stored > self._capacity // 2

    @property
    def short(self) -> bool:
        """Whether the next row pushes out one younger than the ring's time: more come than the rate in force says."""
        held_us = self.line_us[self._end - 1] - self.line_us[self._start] if self.rows else 0
        return not self.room and bool(held_us < 0.99 * self._seconds * 1e6)

    # -- what it holds ------------------------------------------------------------------------

    @property
    def rows(self) -> int:
        return self._end - self._start

    @property
    def room(self) -> int:
        """Rows that may come before the oldest goes."""
        return self._capacity - self.rows

    @property
    def first(self) -> int:
        """Number of the oldest row held, counted over all rows ever appended."""
        return self.appended - self.rows

    @property
    def newest_us(self) -> int:
        """Wall time of the newest row; 0 before the first."""
        return int(self.line_us[self._end - 1]) if self.rows else 0

    @property
    def newest_boot_us(self) -> int:
        """Boot clock of the newest row; 0 before the first."""
        return int(self.boot_us[self._end - 1]) if self.rows else 0

    @property
    def offset_us(self) -> int:
        """Wall minus boot clock at the newest row."""
        return int(self.times_us[self._end - 1] - self.boot_us[self._end - 1]) if self.rows else 0

    @property
    def of_events(self) -> bool:
        """Whether rows come as things happen, not at a rate."""
        return self.key.group == RateGroup.RATE_GROUP_EVENT

    @property
    def bytes(self) -> int:
        """Memory set aside (untouched pages of it cost nothing yet)."""
        rows = self.times_us.nbytes + self.boot_us.nbytes + self.line_us.nbytes + self._row_schema.nbytes
        return rows + self.values.nbytes

    @property
    def series(self) -> dict[Series, int]:
        """Series held → column of `values`."""
        return self._columns

    def knows(self, schema: int) -> bool:
        return schema in self._schemas

    def columns(self, schema: int) -> Columns:
        return self._schemas[schema]

    # -- appending ----------------------------------------------------------------------------

    def bytes_to_append(self, batch: Batch, *, stretched: bool = True) -> int:
        """What the ring would take after this batch, at most; not `stretched`: had it given back what it can."""
        new = len(set(batch.series) - self._columns.keys()) if batch.series else 0
        capacity = max(self._capacity if stretched else self._rows_for(self.rate_hz), self._rows_for(batch.rate_hz))
        return (ceil((len(self._series) + new) * 1.25) + 4) * ceil(capacity * 1.25) * 8

    def append(self, batch: Batch, *, stored: bool = False) -> None:
        """Takes a batch's rows; `stored`: they are in a chunk already (a ring filled after a restart).

        Raises KeyError where the batch names a schema whose series never came.
        """
        columns = self._resolve(batch)
        count = len(batch.times_us)
        if batch.rate_hz > self.rate_hz or count > self._capacity:
            self._grow(max(self._rows_for(batch.rate_hz), count))
        self.rate_hz = batch.rate_hz
        self.shown_only = batch.shown_only
        if self._end + count > len(self.times_us):
            self._move_back(count)
        a, b = self._end, self._end + count
        self.times_us[a:b] = batch.times_us
        self.boot_us[a:b] = batch.boot_us
        self._row_schema[a:b] = batch.schema
        draw_line(self.line_us, self.times_us, self.boot_us, self._start, a, b)
        if len(columns.at) < len(self.values):
            self.values[:, a:b] = np.nan
        self.values[columns.at, a:b] = batch.values
        self._end = b
        self.appended += count
        self._start = max(self._start, b - self._capacity)
        self.schema = batch.schema
        self._last_row[batch.schema] = self.appended
        if stored:
            self.stored = self.appended

    def _resolve(self, batch: Batch) -> Columns:
        known = self._schemas.get(batch.schema)
        if known is not None:
            return known
        if batch.series is None:
            raise KeyError(f"{self.key}: schema {batch.schema:#x} was never spelled out")
        self._forget_schemas_without_rows()
        new = [series for series in batch.series if series not in self._columns]
        if new:
            self._give_columns(new, free=self._absent_columns(batch.series))
        at = [self._columns[series] for series in batch.series]
        # The ring's own objects: hundreds of schemas of one table share them, and each batch brings new ones.
        columns = Columns(tuple(self._series[column] for column in at), np.array(at, np.intp))
        self._schemas[batch.schema] = columns
        return columns

    def _give_columns(self, new: list[Series], free: list[int]) -> None:
        for series in new:
            if free:
                column = free.pop()
                del self._columns[self._series[column]]
                self._series[column] = series
            else:
                column = len(self._series)
                self._series.append(series)
            self._columns[series] = column
        if len(self._series) > len(self.values):
            self._widen(len(self._series))
        self.version += 1

    def _forget_schemas_without_rows(self) -> None:
        first = self.first
        for schema in [s for s, last in self._last_row.items() if last <= first]:
            del self._last_row[schema], self._schemas[schema]

    def _absent_columns(self, wanted: tuple[Series, ...]) -> list[int]:
        """Columns that no row held has, and that `wanted` does not bring back."""
        used = np.zeros(len(self._series), bool)
        for columns in self._schemas.values():
            used[columns.at] = True
        used[[self._columns[s] for s in wanted if s in self._columns]] = True
        return np.flatnonzero(~used).tolist()

    # -- memory -------------------------------------------------------------------------------

    def _rows_for(self, rate_hz: float) -> int:
        return ceil(self._seconds * rate_hz) + 1

    def _length(self) -> int:
        return ceil(self._capacity * 1.25) + 1

    @property
    def stretched_bytes(self) -> int:
        """Memory beyond what the rate in force asks for."""
        return round(self.bytes * max(0.0, 1 - self._rows_for(self.rate_hz) / self._capacity))

    def stretch(self) -> None:
        """Twice as many rows, as many as `MAX_HELD_HZ` asks for at most."""
        self._grow(min(2 * self._capacity, self._rows_for(MAX_HELD_HZ)))

    def give_back(self) -> None:
        """As many rows as the rate in force asks for, the newest."""
        if self._capacity > self._rows_for(self.rate_hz):
            self._resize(self._rows_for(self.rate_hz))

    def _move_back(self, incoming: int) -> None:
        keep = min(self.rows, max(0, self._capacity - incoming))
        a, b = self._end - keep, self._end
        for array in (self.times_us, self.boot_us, self.line_us, self._row_schema):
            array[:keep] = array[a:b]
        self.values[:, :keep] = self.values[:, a:b]
        self._start, self._end = 0, keep

    def _grow(self, capacity: int) -> None:
        if capacity > self._capacity:
            self._resize(capacity)

    def _resize(self, capacity: int) -> None:
        self._capacity = capacity
        length, b = self._length(), self._end
        a = max(self._start, b - capacity)
        self._start, self._end = 0, b - a

        def longer(old: Times) -> Times:
            new = np.empty(length, old.dtype)
            new[: b - a] = old[a:b]
            return new

        self.times_us, self.boot_us = longer(self.times_us), longer(self.boot_us)
        self.line_us = longer(self.line_us)
        schema = np.empty(length, np.uint64)
        schema[: b - a] = self._row_schema[a:b]
        self._row_schema = schema
        values = np.empty((len(self.values), length))
        values[:, : b - a] = self.values[:, a:b]
        self.values = values

    def _widen(self, columns: int) -> None:
        # A table that changes its columns will do it again: a quarter more at once.
        wide = columns if not len(self.values) else min(MAX_COLUMNS, ceil(columns * 1.25))
        values = np.empty((max(columns, wide), self.values.shape[1]))
        old = len(self.values)
        values[:old, self._start : self._end] = self.values[:, self._start : self._end]
        values[old:, self._start : self._end] = np.nan
        self.values = values

    # -- reading ------------------------------------------------------------------------------

    def between(self, start_us: int, end_us: int) -> tuple[int, int]:
        """Rows with line time in (start, end], as array positions [a, b)."""
        line = self.line_us[self._start : self._end]
        a, b = np.searchsorted(line, (start_us, end_us), side="right").tolist()
        return self._start + a, self._start + b

    def window(self, columns: Times, start_us: int, end_us: int) -> Rows:
        """The rows in (start, end] of some columns."""
        a, b = self.between(start_us, end_us)
        return Rows(self.line_us[a:b], self.values[columns, a:b])

    def positions(self, from_row: int) -> tuple[int, int]:
        """Array positions [a, b) of the rows numbered `from_row` and later that are still held."""
        return max(self._start, self._end - (self.appended - from_row)), self._end

    def runs(self, a: int, b: int) -> list[tuple[int, int, int]]:
        """[a, b) cut where the schema changes: (schema, a, b)."""
        if a >= b:
            return []
        schemas = self._row_schema[a:b]
        cuts = (np.flatnonzero(schemas[1:] != schemas[:-1]) + a + 1).tolist()
        edges = [a, *cuts, b]
        return [(int(self._row_schema[x]), x, y) for x, y in itertools.pairwise(edges)]
