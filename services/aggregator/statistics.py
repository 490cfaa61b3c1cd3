"""The statistics of a window (CONTRACTS §6), over many series at once.

Each takes `values`, shape (series, samples) with NaN absent, and `times_us`, shape (samples,) or
(series, samples), ascending; it returns one number a series, NaN where it has too few samples.
"""

import re
from collections.abc import Callable
from math import nan

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Times = NDArray[np.int64]
Statistic = Callable[[Floats, Times], Floats]


def _count(values: Floats) -> NDArray[np.intp]:
    counts: NDArray[np.intp] = np.count_nonzero(~np.isnan(values), axis=1)
    return counts


def _of_enough(result: Floats, counts: NDArray[np.intp], needed: int) -> Floats:
    return np.where(counts >= needed, result, nan)


def count(values: Floats, _times_us: Times) -> Floats:
    counts = _count(values)
    return _of_enough(counts.astype(np.float64), counts, 1)


def total(values: Floats, _times_us: Times) -> Floats:
    return _of_enough(np.nansum(values, axis=1), _count(values), 1)


def mean(values: Floats, _times_us: Times) -> Floats:
    counts = _count(values)
    return _of_enough(np.nansum(values, axis=1) / np.maximum(counts, 1), counts, 1)


def least(values: Floats, _times_us: Times) -> Floats:
    lowest: Floats = np.fmin.reduce(values, axis=1, initial=nan)
    return lowest


def most(values: Floats, _times_us: Times) -> Floats:
    highest: Floats = np.fmax.reduce(values, axis=1, initial=nan)
    return highest


def newest(values: Floats, _times_us: Times) -> Floats:
    """The last value that is there."""
    if not values.shape[1]:
        return np.full(len(values), nan)
    back = np.argmax(~np.isnan(values[:, ::-1]), axis=1)
    last: Floats = values[np.arange(len(values)), values.shape[1] - 1 - back]
    return last


def nearest_rank(percent: int) -> Statistic:
    """The smallest value with at least `percent` per cent of the samples at or below it."""

    def percentile(values: Floats, _times_us: Times) -> Floats:
        width = values.shape[1]
        if not values.size:
            return np.full(len(values), nan)
        counts = _count(values)
        # In integers: 0.95 × 20 is 19.000000000000004 in floats, and the rank one too high.
        ranks = np.maximum((counts * percent + 99) // 100, 1) - 1
        if counts.min() == width:
            rank = int(ranks[0])
            ranked: Floats = np.partition(values, rank, axis=1)[:, rank]
        else:
            # NaN sorts behind every number.
            ranked = np.sort(values, axis=1)[np.arange(len(values)), ranks]
        return ranked

    return percentile


def deviation(values: Floats, _times_us: Times) -> Floats:
    """Standard deviation with n − 1."""
    counts = _count(values)
    means = np.nansum(values, axis=1) / np.maximum(counts, 1)
    squares = np.nansum((values - means[:, None]) ** 2, axis=1)
    return _of_enough(np.sqrt(squares / np.maximum(counts - 1, 1)), counts, 2)


def rate(values: Floats, times_us: Times) -> Floats:
    """Increase of a counter a second, between its first and last sample; a fall is a reset to 0."""
    return _each_series(values, times_us, _rate_of_one)


def _rate_of_one(values: Floats, seconds: Floats) -> float:
    steps = np.diff(values)
    increase = np.where(steps < 0, values[1:], steps).sum()
    span = seconds[-1] - seconds[0]
    return float(increase / span) if span > 0 else nan


def slope(values: Floats, times_us: Times) -> Floats:
    """Least-squares slope, a second."""
    return _each_series(values, times_us, _slope_of_one)


def _slope_of_one(values: Floats, seconds: Floats) -> float:
    at = seconds - seconds.mean()
    spread = float(at @ at)
    return float(at @ (values - values.mean())) / spread if spread > 0 else nan


def _each_series(values: Floats, times_us: Times, one: Callable[[Floats, Floats], float]) -> Floats:
    """Statistics that need neighbouring samples: absent ones are taken out series by series."""
    result = np.full(len(values), nan)
    there = ~np.isnan(values)
    for row, (row_values, row_there) in enumerate(zip(values, there, strict=True)):
        row_times = times_us if times_us.ndim == 1 else times_us[row]
        kept = row_values[row_there]
        if len(kept) >= 2:
            at = row_times[row_there]
            result[row] = one(kept, (at - at[0]) / 1e6)
    return result


STATISTICS: dict[str, Statistic] = {
    "avg": mean,
    "min": least,
    "max": most,
    "sum": total,
    "count": count,
    "last": newest,
    **{f"p{percent}": nearest_rank(percent) for percent in (50, 90, 95, 98, 99)},
    "rate": rate,
    "derivative": slope,
    "stddev": deviation,
}

_WINDOW = re.compile(r"([1-9]\d{0,8})(ms|s|m|h)")
_UNIT_US = {"ms": 1_000, "s": 1_000_000, "m": 60_000_000, "h": 3_600_000_000}


def window_us(text: str) -> int:
    """Length of a window such as `500ms`, `10s`, `5m`, `2h` in µs; 0 for `instant` (the newest value).

    Raises ValueError where it is none (CONTRACTS §6).
    """
    if text == "instant":
        return 0
    match = _WINDOW.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no window; write a number and ms, s, m or h, as in 10s, or instant")
    return int(match[1]) * _UNIT_US[match[2]]


def statistic(name: str) -> Statistic:
    """The statistic of a name; raises ValueError with the names there are."""
    try:
        return STATISTICS[name]
    except KeyError:
        raise ValueError(f"{name!r} is no statistic; there are {', '.join(STATISTICS)}") from None
