"""Prometheus histograms: added up, subtracted, and what the difference says. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

from services.collector.runtime.exposition import Page, Point
from services.collector.sampler import NAN


class Histogram(NamedTuple):
    """Cumulative counts at ascending bounds; the last bound is infinite."""

    bounds: tuple[float, ...]
    counts: tuple[float, ...]
    sum: float

    @property
    def all(self) -> float:
        """How many were counted."""
        return self.counts[-1]


def gather(page: Page, *names: str) -> Histogram | None:
    """The histogram under the first of its names that is there, added up over all labels but `le`.

    None where it is not there, or where its parts have different bounds (two runtimes behind one page).
    """
    for name in names:
        if f"{name}_bucket" in page:
            return _add(page[f"{name}_bucket"], page.get(f"{name}_sum", ()))
    return None


def _add(buckets: Iterable[Point], sums: Iterable[Point]) -> Histogram | None:
    parts: dict[frozenset[tuple[str, str]], dict[float, float]] = {}
    for labels, value in buckets:
        try:
            bound = float(labels.get("le", ""))
        except ValueError:
            return None
        part = frozenset((key, text) for key, text in labels.items() if key != "le")
        parts.setdefault(part, {})[bound] = value
    bounds = [tuple(sorted(part)) for part in parts.values()]
    if not bounds or any(other != bounds[0] for other in bounds) or bounds[0][-1] != math.inf:
        return None
    counts = tuple(sum(part[bound] for part in parts.values()) for bound in bounds[0])
    return Histogram(bounds[0], counts, sum(point.value for point in sums))


def difference(new: Histogram, old: Histogram) -> Histogram | None:
    """What was counted in between; None after a restart or where the bounds changed."""
    if new.bounds != old.bounds or any(now < before for now, before in zip(new.counts, old.counts, strict=True)):
        return None
    counts: list[float] = []
    for now, before in zip(new.counts, old.counts, strict=True):
        # A page is not written in one instant: a bucket may be a count behind the one below it.
        counts.append(max(now - before, counts[-1] if counts else 0.0))
    return Histogram(new.bounds, tuple(counts), new.sum - old.sum)


def quantile(histogram: Histogram, q: float) -> float:
    """The q-quantile in the histogram's unit, by a straight line inside its bucket; NaN where nothing was counted.

    Above the highest finite bound nothing is known but that: the answer is that bound, a value it is at least.
    """
    if not histogram.all > 0.0:
        return NAN
    rank = q * histogram.all
    place = next(i for i, count in enumerate(histogram.counts) if count >= rank and count > 0.0)
    upper = histogram.bounds[place]
    lower = histogram.bounds[place - 1] if place else min(0.0, upper)
    if upper == math.inf:
        return lower if place else NAN
    below = histogram.counts[place - 1] if place else 0.0
    return lower + (upper - lower) * (rank - below) / (histogram.counts[place] - below)


def mean(histogram: Histogram) -> float:
    """The mean of what was counted; NaN where nothing was."""
    return histogram.sum / histogram.all if histogram.all > 0.0 else NAN
