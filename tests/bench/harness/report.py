"""The table a person reads and the file a program reads."""

from __future__ import annotations

import json
import math
import os
import platform
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from tests.bench.harness.figure import Outcome


def number(value: float) -> str:
    """Three digits that matter."""
    if math.isnan(value):
        return "–"
    if value != 0 and abs(value) < 100:
        return f"{value:.3g}"
    return f"{value:,.0f}"


def bar(outcome: Outcome) -> str:
    figure = outcome.figure
    if figure.bar is None:
        return "≥ the peers" if figure.at_least else "≤ the peers"
    return f"{'≥' if figure.at_least else '≤'} {number(figure.bar)} {figure.unit}"


def against(outcome: Outcome) -> str:
    """The reference's or the peers' numbers, or why there are none."""
    parts = []
    for one in outcome.figure.references:
        said = outcome.missing.get(one.name) or number(outcome.reference(one.name))
        parts.append(f"{one.name}: {said}")
    return "\n".join(parts) or "–"


def table(outcomes: Sequence[Outcome]) -> Table:
    shown = Table(show_lines=True)
    for heading in ("figure", "bar", "ours", "reference or peer", "holds by"):
        shown.add_column(heading)
    for outcome in outcomes:
        ours = f"{number(outcome.value)} {outcome.figure.unit}" if outcome.ours else outcome.missing.get("ours", "–")
        shown.add_row(outcome.figure.title, bar(outcome), ours, against(outcome), outcome.holds_by)
    return shown


def markdown(outcomes: Sequence[Outcome]) -> str:
    """The same table for docs/bench.md."""
    lines = ["| figure | bar | ours | reference or peer | holds by |", "|---|---|---|---|---|"]
    for outcome in outcomes:
        ours = f"{number(outcome.value)} {outcome.figure.unit}" if outcome.ours else outcome.missing.get("ours", "–")
        cells = (outcome.figure.title, bar(outcome), ours, against(outcome).replace("\n", "; "), outcome.holds_by)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def show(outcomes: Sequence[Outcome], console: Console) -> None:
    console.print(table(outcomes))
    for outcome in outcomes:
        for note in outcome.notes:
            console.print(f"{outcome.figure.name}: {note}", highlight=False)


def as_json(outcomes: Sequence[Outcome], rounds: int, quick: bool) -> dict[str, Any]:
    return {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": {"system": platform.platform(), "cores": os.cpu_count(), "python": platform.python_version()},
        "rounds": rounds,
        "quick": quick,
        "figures": [_figure(outcome) for outcome in outcomes],
    }


def _figure(outcome: Outcome) -> dict[str, Any]:
    figure = outcome.figure
    return {
        "name": figure.name,
        "title": figure.title,
        "unit": figure.unit,
        "bar": figure.bar,
        "at_least": figure.at_least,
        "ours": None if not outcome.ours else outcome.value,
        "rounds": list(outcome.ours),
        "references": {
            one.name: {
                "kind": one.kind,
                "value": None if not outcome.references.get(one.name) else outcome.reference(one.name),
                "rounds": list(outcome.references.get(one.name, ())),
            }
            for one in figure.references
        },
        "missing": outcome.missing,
        "holds_by": outcome.holds_by,
        "notes": list(outcome.notes),
    }


def write(path: Path, outcomes: Sequence[Outcome], rounds: int, quick: bool) -> None:
    path.write_text(json.dumps(as_json(outcomes, rounds, quick), indent=2, ensure_ascii=False) + "\n", "utf-8")
