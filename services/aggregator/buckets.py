"""A long series cut into steps, and a statistic of each, all steps at once (CONTRACTS §6 "Windows").

Step k holds the samples in (start + k·step, start + (k + 1)·step]; its answer stands at its end. Steps become
the rows of one array, so an hour of 10 Hz by ten seconds is one call of the statistic on 360 × 100 values.
"""

from math import nan

import numpy as np

from services.aggregator.statistics import Floats, Statistic, Times

# Where steps are so uneven that their rectangle would be this much larger than the samples, they go one by one.
_SPARSE = 8


def by_step(times_us: Times, values: Floats, start_us: int, step_us: int, steps: int, stat: Statistic) -> Floats:
    """The statistic of each of `steps` steps; NaN where a step has too few samples for it.

    `times_us` ascends; samples outside of all steps are left out.
    """
    edges = start_us + step_us * np.arange(steps + 1, dtype=np.int64)
    cuts = np.searchsorted(times_us, edges, side="right")
    counts = np.diff(cuts)
    result = np.full(steps, nan)
    filled = np.flatnonzero(counts)
    if not len(filled):
        return result
    first, last = int(cuts[0]), int(cuts[-1])
    width = int(counts.max())
    if width * len(filled) > _SPARSE * (last - first) + 4096:
        for step in filled.tolist():
            part = slice(int(cuts[step]), int(cuts[step + 1]))
            result[step] = stat(values[part][None, :], times_us[part])[0]
        return result
    if width * len(filled) == last - first:  # every step has as many: no copy is needed
        result[filled] = stat(
            values[first:last].reshape(len(filled), width), times_us[first:last].reshape(len(filled), width)
        )
        return result
    # Behind its last sample a row goes on with absent values, and with that sample's time.
    places = np.arange(width)[None, :]
    inside = places < counts[filled][:, None]
    at = np.minimum(cuts[filled][:, None] + places, cuts[filled + 1][:, None] - 1)
    result[filled] = stat(np.where(inside, values[at], nan), times_us[at])
    return result
