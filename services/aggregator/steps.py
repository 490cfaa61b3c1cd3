"""A statistic for each step of a range, over many steps at once.

Steps are laid out as the rows of a matrix, so that the statistics of windows serve here unchanged. Rows of
about the same length share one matrix: a burst in one step does not make all others as wide.
"""

import asyncio
from collections.abc import Sequence
from math import ceil, nan

import numpy as np
from numpy.typing import NDArray

from bus.series import Series
from services.aggregator.history import Past
from services.aggregator.statistics import Floats, Statistic, Times

# An answer of more points is a drawing nobody can see and 1.5 MiB a series.
MAX_STEPS = 100_000
# So many rows, an hour at 10 Hz, take up to three milliseconds; more are worked on beside the loop, which has frames
# to send. A thread costs a short question more than the work itself.
IN_THE_LOOP = 40_000


def step_ends(start_us: int, end_us: int, step_us: int) -> Times:
    """Ends of the steps (start, start + step], … that cover (start, end].

    Raises ValueError where there would be more than MAX_STEPS.
    """
    count = max(0, ceil((end_us - start_us) / step_us))
    if count > MAX_STEPS:
        raise ValueError(f"step_us: {count} steps are more than {MAX_STEPS}; take a longer step or a shorter range")
    return start_us + step_us * np.arange(1, count + 1, dtype=np.int64)


class Steps:
    """The answer to a range question, filled slice by slice; a slice ends where a step does, or with the range."""

    def __init__(self, start_us: int, ends_us: Times, step_us: int, stat: Statistic) -> None:
        self._start_us = start_us
        self._ends_us = ends_us
        self._step_us = step_us
        self._stat = stat
        self._values: dict[Series, Floats] = {}
        self.rows_read = 0

    async def take(self, start_us: int, end_us: int, pasts: Sequence[Past]) -> None:
        """The rows in (start, end], start a whole number of steps after the range's."""
        first = (start_us - self._start_us) // self._step_us
        last = -((end_us - self._start_us) // -self._step_us)
        ends_us = self._ends_us[first:last]
        for past in pasts:
            self.rows_read += len(past.times_us)
            if past.series not in self._values:
                self._values[past.series] = np.full(len(self._ends_us), nan)
            work = (past.values, past.times_us, start_us, ends_us, self._stat)
            if len(past.times_us) > IN_THE_LOOP:
                values = await asyncio.to_thread(by_step, *work)
            else:
                values = by_step(*work)
            self._values[past.series][first:last] = values

    def answer(self) -> list[Past]:
        """Each series with its value at the end of each step, NaN absent."""
        return [Past(series, self._ends_us, self._values[series]) for series in sorted(self._values)]


def by_step(values: Floats, times_us: Times, start_us: int, ends_us: Times, stat: Statistic) -> Floats:
    """The statistic over each step; NaN where a step has too few samples.

    `times_us` ascend; step k holds the samples in (end of the step before, its own end].
    """
    result = np.full(len(ends_us), nan)
    there = ~np.isnan(values)
    if not there.all():
        values, times_us = values[there], times_us[there]
    if not len(values) or not len(ends_us):
        return result
    edges = np.searchsorted(times_us, np.concatenate(([start_us], ends_us)), side="right")
    firsts, counts = edges[:-1], np.diff(edges)
    if counts[0] and (counts == counts[0]).all():
        # As many in each step: no copy is needed.
        shape = (len(counts), int(counts[0]))
        inside = slice(int(edges[0]), int(edges[-1]))
        return stat(values[inside].reshape(shape), times_us[inside].reshape(shape))
    for steps in _of_like_length(counts):
        width = int(counts[steps].max())
        at = firsts[steps, None] + np.arange(width)
        outside = np.arange(width) >= counts[steps, None]
        at[outside] = len(values) - 1
        block = values[at]
        block[outside] = nan
        result[steps] = stat(block, times_us[at])
    return result


def _of_like_length(counts: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Positions of the steps that have samples, grouped so that none is padded to more than double."""
    held = np.flatnonzero(counts)
    if not len(held):
        return []
    if counts[held].max() * len(held) <= 2 * counts.sum():
        return [held]
    classes = np.frexp(counts[held].astype(np.float64))[1]
    return [held[classes == one] for one in np.unique(classes)]
