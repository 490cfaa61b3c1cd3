"""Joins what the samplers of one group read into rows of tables, one table a source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from operator import itemgetter
from typing import NamedTuple

from bus.resolution import step_of, told_row
from bus.series import Series
from services.collector.guard import Guard


class TableRow(NamedTuple):
    """One row of one table: its columns, and a value for each."""

    source: str
    columns: tuple[Series, ...]
    values: list[float]


# Many small sources that are read together: one row of them all costs one message, not one each.
_SHARED = {"process": "process", "monitor": "monitor", "storage": "monitor"}


def table_of(series: Series) -> str:
    """The table a series stands in: its source, but processes share one, and so does all that is ours."""
    return _SHARED.get(series.source.partition(":")[0], series.source)


_Pick = Callable[[list[float]], Sequence[float]]


def _picker(places: list[int]) -> _Pick:
    """What takes the values at these places, in one call into C."""
    return itemgetter(*places) if len(places) > 1 else lambda values: [values[places[0]]]


class Assembly:
    """Rows of a fixed list of samplers. A table's columns tuple stays the same object while nothing changed."""

    def __init__(self, guards: Iterable[Guard]) -> None:
        self.guards = tuple(guards)
        self._known: tuple[tuple[Series, ...], ...] = ()
        self._tables: list[tuple[str, tuple[Series, ...], _Pick, list[float | None]]] = []

    def rows(self, now_s: float) -> list[TableRow]:
        """Reads every sampler once. Where two claim one series, the first has it."""
        values: list[float] = []
        for guard in self.guards:
            values += guard.read(now_s)
        if len(self._known) != len(self.guards) or any(
            guard.columns is not known for guard, known in zip(self.guards, self._known, strict=True)
        ):
            self._divide()
        return [
            TableRow(source, columns, told_row(pick(values), steps)) for source, columns, pick, steps in self._tables
        ]

    def _divide(self) -> None:
        self._known = tuple(guard.columns for guard in self.guards)
        tables: dict[str, dict[Series, int]] = {}
        place = 0
        for columns in self._known:
            for series in columns:
                tables.setdefault(table_of(series), {}).setdefault(series, place)
                place += 1
        self._tables = [
            (source, tuple(places), _picker(list(places.values())), [step_of(series) for series in places])
            for source, places in tables.items()
        ]
