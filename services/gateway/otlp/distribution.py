"""Histograms with explicit and with exponential bounds: added, subtracted, and what they say. Pure.

Both become steps (lower, upper, number) in ascending order; a quantile is a straight line inside its step, told with
the rank error that this may have.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple, Self

MAX_BUCKETS = 2048
# The data model's own range of scales.
SCALES = range(-10, 21)


class Step(NamedTuple):
    """So many values in (lower, upper]."""

    lower: float
    upper: float
    number: int


class Quantile(NamedTuple):
    """A value, and how far its true rank may lie from the one asked for (0 to 1)."""

    value: float
    rank_error: float


class Malformed(ValueError):
    """Buckets that contradict themselves; the text says how."""


@dataclass(frozen=True, slots=True)
class Explicit:
    """`counts[i]` values in (bounds[i-1], bounds[i]]; one more count than bounds, or none of either."""

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    count: int
    sum: float
    least: float = -math.inf
    most: float = math.inf
    """No value lies outside of these two: what a sender tells of all that it counted holds for every part of it."""

    def __post_init__(self) -> None:
        if len(self.bounds) >= MAX_BUCKETS:
            raise Malformed(f"more than {MAX_BUCKETS} buckets")
        if self.counts or self.bounds:
            if len(self.counts) != len(self.bounds) + 1:
                raise Malformed(f"{len(self.counts)} counts for {len(self.bounds)} bounds")
            if sum(self.counts) != self.count:
                raise Malformed("the counts of its buckets do not add up to its count")
        if not all(low < high for low, high in pairwise((-math.inf, *self.bounds))):
            raise Malformed("its bounds do not ascend")

    def minus(self, old: Self) -> Self | None:
        """What was counted in between; None where it cannot have grown out of `old`."""
        if self.bounds != old.bounds or len(self.counts) != len(old.counts):
            return None
        counts = tuple(now - before for now, before in zip(self.counts, old.counts, strict=True))
        if self.count < old.count or any(count < 0 for count in counts):
            return None
        return replace(self, counts=counts, count=self.count - old.count, sum=self.sum - old.sum)

    def plus(self, other: Self) -> Self | None:
        """Both together; None where their bounds differ."""
        if self.bounds != other.bounds or len(self.counts) != len(other.counts):
            return None
        counts = tuple(a + b for a, b in zip(self.counts, other.counts, strict=True))
        least, most = min(self.least, other.least), max(self.most, other.most)
        return type(self)(self.bounds, counts, self.count + other.count, self.sum + other.sum, least, most)

    def steps(self) -> list[Step]:
        """In ascending order, without the empty ones."""
        edges = (-math.inf, *self.bounds, math.inf)
        found = (Step(low, high, n) for (low, high), n in zip(pairwise(edges), self.counts, strict=False) if n)
        # What is measured here is a duration or a count: below the first bound lies nothing under 0.
        steps = [step._replace(lower=min(0.0, step.upper)) if step.lower == -math.inf else step for step in found]
        return [self._narrowed(step) for step in steps]

    def _narrowed(self, step: Step) -> Step:
        """The SDKs' usual bounds are for ms: in s all values lie in the first bucket, from 0 to 5."""
        lower, upper = max(step.lower, self.least), min(step.upper, self.most)
        return step._replace(lower=lower, upper=upper) if lower <= upper else step


@dataclass(frozen=True, slots=True)
class Exponential:
    """Bucket i of `positive` holds values in (base**i, base**(i+1)], base = 2 ** 2**-scale; `negative` mirrors it."""

    scale: int
    positive: Mapping[int, int]
    negative: Mapping[int, int]
    zero: int
    count: int
    sum: float

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise Malformed(f"scale {self.scale} is not from {SCALES.start} to {SCALES.stop - 1}")
        if len(self.positive) + len(self.negative) > MAX_BUCKETS:
            raise Malformed(f"more than {MAX_BUCKETS} buckets")
        if sum(self.positive.values()) + sum(self.negative.values()) + self.zero != self.count:
            raise Malformed("the counts of its buckets do not add up to its count")

    def at(self, scale: int) -> Exponential:
        """The same at a coarser scale: neighbours fall together exactly, nothing is estimated."""
        shift = self.scale - scale
        if shift <= 0:
            return self
        return Exponential(
            scale, _shifted(self.positive, shift), _shifted(self.negative, shift), self.zero, self.count, self.sum
        )

    def minus(self, old: Exponential) -> Exponential | None:
        """What was counted in between; None where it cannot have grown out of `old`."""
        scale = min(self.scale, old.scale)
        new, old = self.at(scale), old.at(scale)
        positive, negative = _less(new.positive, old.positive), _less(new.negative, old.negative)
        if positive is None or negative is None or new.zero < old.zero:
            return None
        return Exponential(scale, positive, negative, new.zero - old.zero, new.count - old.count, new.sum - old.sum)

    def plus(self, other: Exponential) -> Exponential | None:
        """Both together, at the coarser of their scales."""
        scale = min(self.scale, other.scale)
        one, two = self.at(scale), other.at(scale)
        return Exponential(
            scale,
            _more(one.positive, two.positive),
            _more(one.negative, two.negative),
            one.zero + two.zero,
            one.count + two.count,
            one.sum + two.sum,
        )

    def steps(self) -> list[Step]:
        """In ascending order, without the empty ones."""
        below = [
            Step(-self._bound(index + 1), -self._bound(index), self.negative[index])
            for index in sorted(self.negative, reverse=True)
        ]
        above = [
            Step(self._bound(index), self._bound(index + 1), self.positive[index]) for index in sorted(self.positive)
        ]
        zero = [Step(0.0, 0.0, self.zero)] if self.zero else []
        return [*below, *zero, *above]

    def _bound(self, index: int) -> float:
        try:
            return float(2.0 ** (index * 2.0**-self.scale))
        except OverflowError:
            return math.inf


Distribution = Explicit | Exponential


def difference(new: Distribution, old: Distribution) -> Distribution | None:
    """What was counted in between; None after a restart, or where the kind changed."""
    if isinstance(new, Explicit) and isinstance(old, Explicit):
        return new.minus(old)
    if isinstance(new, Exponential) and isinstance(old, Exponential):
        return new.minus(old)
    return None


def together(one: Distribution, two: Distribution) -> Distribution | None:
    """Both; None where they cannot be added."""
    if isinstance(one, Explicit) and isinstance(two, Explicit):
        return one.plus(two)
    if isinstance(one, Exponential) and isinstance(two, Exponential):
        return one.plus(two)
    return None


def mean(distribution: Distribution) -> float:
    """NaN where nothing was counted, or no sum was told."""
    return distribution.sum / distribution.count if distribution.count else math.nan


def at_most(steps: Sequence[Step], average: float, q: float) -> float:
    """What the q-quantile cannot lie above: the rest would raise the mean beyond `average` (Markov's inequality)."""
    low = steps[0].lower if steps else math.nan
    return low + (average - low) / (1.0 - q) if average >= low else math.inf


def quantile(steps: Sequence[Step], q: float, most: float = math.inf) -> Quantile:
    """The q-quantile in the histogram's unit, known to lie at `most` or below; NaN where there are no steps.

    The value lies inside the step that holds the rank, so its true rank is off by less than the step's share on
    the farther side. In a step without an upper end the answer is its lower end: a value it is at least.
    """
    total = sum(step.number for step in steps)
    rank, below = q * total, 0
    for step in steps:
        if below + step.number >= rank:
            error = max(rank - below, below + step.number - rank) / total
            if math.isinf(step.upper):
                return Quantile(step.lower, error)
            inside = (rank - below) / step.number
            upper = max(step.lower, min(step.upper, most))
            return Quantile(step.lower + (upper - step.lower) * inside, error)
        below += step.number
    return Quantile(math.nan, math.nan)


def _shifted(buckets: Mapping[int, int], shift: int) -> dict[int, int]:
    found: dict[int, int] = {}
    for index, count in buckets.items():
        found[index >> shift] = found.get(index >> shift, 0) + count
    return found


def _less(new: Mapping[int, int], old: Mapping[int, int]) -> dict[int, int] | None:
    if any(new.get(index, 0) < count for index, count in old.items()):
        return None
    return {index: left for index, count in new.items() if (left := count - old.get(index, 0))}


def _more(one: Mapping[int, int], two: Mapping[int, int]) -> dict[int, int]:
    return {index: one.get(index, 0) + two.get(index, 0) for index in one.keys() | two.keys()}
