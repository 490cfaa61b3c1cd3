"""Runs figures: in each round ours and its references, in turn, so that a busy minute of the machine meets them all."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence

from tests.bench.harness.bench import Bench
from tests.bench.harness.figure import Figure, Measure, Outcome, Unmeasurable

Say = Callable[[str], None]


def run(figures: Sequence[Figure], bench: Bench, rounds: int, say: Say) -> Iterator[Outcome]:
    """One outcome a figure, as soon as it is known."""
    for figure in figures:
        yield run_figure(figure, bench, rounds if figure.rounds is None else min(rounds, figure.rounds), say)


def run_figure(figure: Figure, bench: Bench, rounds: int, say: Say) -> Outcome:
    """All rounds of one figure."""
    values: dict[str, list[float]] = {"ours": []}
    missing: dict[str, str] = {}
    takers: list[tuple[str, Measure]] = [("ours", figure.measure)]
    takers += [(one.name, one.measure) for one in figure.references]
    for bench.round in range(rounds):
        # Who comes first changes with the round: what warms up or wears out meets both.
        for name, measure in takers if bench.round % 2 == 0 else reversed(takers):
            if name in missing:
                continue
            try:
                value = measure(bench)
            except Unmeasurable as reason:
                missing[name] = str(reason)
                continue
            except Exception as error:  # one broken figure must not cost the others
                missing[name] = f"failed: {type(error).__name__}: {error}"
                say(traceback.format_exc())
                continue
            values.setdefault(name, []).append(value)
            say(f"  {figure.name} round {bench.round + 1}/{rounds}: {name} {value:.4g} {figure.unit}")
    notes = bench.end_figure()
    return Outcome(figure, values.pop("ours"), dict(values), missing, notes)
