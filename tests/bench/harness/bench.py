"""One run of the bench: what its figures share (a running stack, a browser), opened when first asked for."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

T = TypeVar("T")


class Bench:
    """Passed to every measurement. `round` counts from 0; `quick` asks for the shortest spans that show a number."""

    def __init__(self, quick: bool = False) -> None:
        self.quick = quick
        self.round = 0
        self.scratch = Path(tempfile.mkdtemp(prefix="wfb-", dir="/tmp"))
        self._run = ExitStack()
        self._figure = ExitStack()
        self._held: dict[str, Any] = {}
        self._of_figure: set[str] = set()
        self._known: dict[tuple[str, int], Any] = {}
        self._notes: list[str] = []

    def seconds(self, span_s: float, quick_s: float) -> float:
        """How long to look: `quick_s` in a quick run."""
        return quick_s if self.quick else span_s

    def hold(self, name: str, make: Callable[[], AbstractContextManager[T]], *, whole_run: bool = False) -> T:
        """What stays open until the figure ends (or the run), made when first asked for."""
        if name not in self._held:
            self._held[name] = (self._run if whole_run else self._figure).enter_context(make())
            if not whole_run:
                self._of_figure.add(name)
        held: T = self._held[name]
        return held

    def once(self, name: str, measure: Callable[[], T]) -> T:
        """The measurement of this round, shared by the figures that read different things from it."""
        key = (name, self.round)
        if key not in self._known:
            self._known[key] = measure()
        known: T = self._known[key]
        return known

    def drop(self, name: str) -> None:
        """Forgets a held thing that another figure needs out of the way; it closes with the run."""
        self._held.pop(name, None)

    def note(self, text: str) -> None:
        """A line below the table, with what a single number does not say."""
        if text not in self._notes:
            self._notes.append(text)

    def end_figure(self) -> tuple[str, ...]:
        """Closes what the figure held; returns its notes."""
        self._figure.close()
        for name in self._of_figure:
            self._held.pop(name, None)
        self._of_figure.clear()
        notes, self._notes = tuple(self._notes), []
        return notes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._figure.close()
        self._run.close()
        shutil.rmtree(self.scratch, ignore_errors=True)
