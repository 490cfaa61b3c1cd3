"""What a figure is, and when it holds (CONTRACTS §12). Pure: numbers come in, a verdict goes out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from tests.bench.harness.bench import Bench

Measure = Callable[["Bench"], float]
"""One round: returns the value in the figure's unit, or raises Unmeasurable."""


class Unmeasurable(Exception):
    """This machine or this checkout cannot give the number: the text says what is missing ("not installed")."""


@dataclass(frozen=True)
class Reference:
    """What ours is held against, measured in the same run, round about with ours.

    A "floor" is the bare machine (an empty loop, a bare socket): where it misses the bar itself, ours holds when it is
    within `floor × factor + extra` (for ≥ figures: `floor − extra`). A "peer" is another program: ours holds when it is
    no worse than the peer.
    """

    name: str
    measure: Measure
    kind: Literal["floor", "peer"]
    factor: float = 1.25
    extra: float = 0.5


@dataclass(frozen=True)
class Figure:
    """One figure: one file, one registration (tests/bench/figures.py)."""

    name: str
    """As in `--only NAME`."""
    title: str
    unit: str
    measure: Measure
    bar: float | None = None
    """None where only the peers set the bar."""
    at_least: bool = False
    """The value must be ≥ the bar; else ≤."""
    references: tuple[Reference, ...] = ()
    rounds: int | None = None
    """Where the usual count makes no sense: a file's size is the same each time."""

    def better(self, value: float, bar: float) -> bool:
        return value >= bar if self.at_least else value <= bar


@dataclass(frozen=True)
class Outcome:
    """All rounds of a figure. Empty `ours`: not measured, `missing` says why."""

    figure: Figure
    ours: Sequence[float]
    references: Mapping[str, Sequence[float]]
    missing: dict[str, str]
    """"ours" or a reference's name → why it has no number."""
    notes: tuple[str, ...] = ()

    @property
    def value(self) -> float:
        return median(self.ours) if self.ours else math.nan

    def reference(self, name: str) -> float:
        values = self.references.get(name, ())
        return median(values) if values else math.nan

    @property
    def holds_by(self) -> str:
        """ "bar", "reference", "no", or "not measured"."""
        if not self.ours:
            return "not measured"
        figure, value = self.figure, self.value
        if figure.bar is not None and figure.better(value, figure.bar):
            return "bar"
        measured = [one for one in figure.references if self.references.get(one.name)]
        floors = [one for one in measured if one.kind == "floor"]
        if figure.bar is not None and any(self._within(one, value, figure.bar) for one in floors):
            return "reference"
        peers = [one for one in measured if one.kind == "peer"]
        if peers and figure.bar is None:
            return "reference" if all(figure.better(value, self.reference(one.name)) for one in peers) else "no"
        return "no" if figure.bar is not None else "not measured"

    def _within(self, floor: Reference, value: float, bar: float) -> bool:
        bare = self.reference(floor.name)
        if self.figure.better(bare, bar):
            return False  # the machine can do it, so must we
        if self.figure.at_least:
            return value >= bare - floor.extra
        return value <= bare * floor.factor + floor.extra
