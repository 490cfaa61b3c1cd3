"""The rows of a chunk: pieces of rows laid out on one clock.

A producer reads many tables on the same tick. In one chunk they share the row of that tick: a row's two times
cost about as much as two or three values, too much for a table of three columns to pay alone.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from services.aggregator.column_codec import Floats, Integers

Clock = tuple[Integers, Integers]
"""When each row of a piece was: wall clock and boot clock, µs."""


class Taken(Exception):
    """Two values of one series would lie in the same row."""


class Layout(NamedTuple):
    """The rows of all pieces together, and in which of them each piece's rows are."""

    times_us: Integers
    boot_us: Integers
    places: list[Integers]
    straight: bool
    """Whether the pieces' rows just follow each other."""


def one_after_the_other(clocks: Sequence[Clock]) -> Layout:
    """Every row stands for itself, in the order given."""
    ends = np.cumsum([len(times) for times, _ in clocks]).tolist()
    places = [np.arange(end - len(times), end) for (times, _), end in zip(clocks, ends, strict=True)]
    times = np.concatenate([times for times, _ in clocks])
    return Layout(times, np.concatenate([boot for _, boot in clocks]), places, straight=True)


def shared(clocks: Sequence[Clock]) -> Layout:
    """Rows of the same moment, by both clocks, are one row; in order of time."""
    apart = one_after_the_other(clocks)
    if (apart.times_us[1:] > apart.times_us[:-1]).all():
        return apart
    order = np.lexsort((apart.boot_us, apart.times_us))
    times, boot = apart.times_us[order], apart.boot_us[order]
    first = np.ones(len(order), bool)
    first[1:] = (times[1:] != times[:-1]) | (boot[1:] != boot[:-1])
    row = np.empty(len(order), np.int64)
    row[order] = np.cumsum(first) - 1
    return Layout(times[first], boot[first], [row[place] for place in apart.places], straight=False)


def place(layout: Layout, pieces: Sequence[tuple[int, Floats]]) -> Floats:
    """One series over all rows, NaN where no piece has it, from (number of the piece, its values).

    Raises Taken where a row would have to hold two of its values.
    """
    numbers = [number for number, _ in pieces]
    if layout.straight and numbers == list(range(len(layout.places))):
        return pieces[0][1] if len(pieces) == 1 else np.concatenate([values for _, values in pieces])
    column = np.full(len(layout.times_us), np.nan)
    expected = 0
    for number, values in pieces:
        there = ~np.isnan(values)
        column[layout.places[number][there]] = values[there]
        expected += int(np.count_nonzero(there))
    if np.count_nonzero(~np.isnan(column)) != expected:
        raise Taken
    return column


def share_of_same_rows(clock: Clock, others: Sequence[Clock]) -> float:
    """Which share of a piece's rows is of the same moment as a row of the others."""
    known = set(zip(*(np.concatenate(side).tolist() for side in zip(*others, strict=True)), strict=True))
    rows = list(zip(clock[0].tolist(), clock[1].tolist(), strict=True))
    return sum(row in known for row in rows) / len(rows) if rows else 0.0
