"""The text of a `/metrics` page, read by prometheus_client's parser; only the names that are asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple


class Point(NamedTuple):
    """One sample of a metric."""

    labels: Mapping[str, str]
    value: float


MOST_CHARACTERS = 512 * 1024
"""Of lines that were asked for. vLLM with eight engines has 100,000; the parser takes half a second for a million."""

# What the parser raises at a bad line; the last at a number of hundreds of digits.
_BAD = (ValueError, IndexError, KeyError, OverflowError)

Page = dict[str, list[Point]]
"""Name without `_total` → its samples. Exporters disagree about that ending, and the parser adds it."""


def read(body: bytes, wanted: tuple[str, ...]) -> Page:
    """The samples whose names begin with one of `wanted`.

    The parser raises in mid-text at one bad line and loses what follows: then each line is read alone, and only the
    bad ones are left out. `*_created` are times, not measurements: left out. So are samples without a number.
    """
    # The parser looks at every character: half a millisecond a kilobyte. What nobody asked for stays unread.
    starts = wanted + tuple(f"# TYPE {name}" for name in wanted)
    lines, room = [], MOST_CHARACTERS
    # Not splitlines: a label's text may hold what it takes for the end of a line.
    for line in body.decode("utf-8", "replace").split("\n"):
        if line.startswith(starts):
            room -= len(line)
            if room < 0:
                break
            lines.append(line)
    page: Page = {}
    try:
        for name, point in _parse(lines):
            page.setdefault(name, []).append(point)
    except _BAD:
        page.clear()
        for line in lines:
            if not line.startswith("#"):
                try:
                    (found,) = _parse([line])
                except _BAD:
                    continue
                page.setdefault(found[0], []).append(found[1])
    return page


def _parse(lines: list[str]) -> Iterable[tuple[str, Point]]:
    # Loaded with the first runtime that has such a page: 1.6 MB that a machine without one does not pay.
    from prometheus_client.parser import text_string_to_metric_families

    found = []
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            value = float(sample.value)
            if value == value and not sample.name.endswith("_created"):
                found.append((sample.name.removesuffix("_total"), Point(sample.labels, value)))
    return found


def total(page: Page, *names: str, **labels: str) -> float | None:
    """The sum of a metric over the samples with these labels, under the first of its names that is there."""
    for name in names:
        values = [
            point.value
            for point in page.get(name.removesuffix("_total"), ())
            if all(point.labels.get(label) == value for label, value in labels.items())
        ]
        if values:
            return sum(values)
    return None
