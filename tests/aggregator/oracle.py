"""CONTRACTS §6 "Windows", written as slowly and plainly as it reads."""

import itertools
from math import ceil, isnan, nan, sqrt

Sample = tuple[int, float]  # (time in µs, value)


def window(samples: list[Sample], g: int, w: int, stat: str, rate_hz: float) -> float:
    inside = [(t, v) for t, v in samples if g - w < t <= g and not isnan(v)]
    if not inside:
        return nan
    period_us = 1e6 / rate_hz
    if g - max(t for t, _ in inside) > max(3 * period_us, 1_000_000):
        return nan
    return of(inside, stat)


def of(samples: list[Sample], stat: str) -> float:
    samples = [(t, v) for t, v in samples if not isnan(v)]
    values = [v for _, v in samples]
    n = len(values)
    if n < (2 if stat in ("rate", "derivative", "stddev") else 1):
        return nan
    mean = sum(values) / n
    if stat == "avg":
        return mean
    if stat == "min":
        return min(values)
    if stat == "max":
        return max(values)
    if stat == "sum":
        return sum(values)
    if stat == "count":
        return n
    if stat == "last":
        return values[-1]
    if stat.startswith("p"):
        return sorted(values)[ceil(int(stat[1:]) * n / 100) - 1]
    seconds = [(t - samples[0][0]) / 1e6 for t, _ in samples]
    if stat == "rate":
        increase = 0.0
        for before, after in itertools.pairwise(values):
            increase += after - before if after >= before else after
        return increase / seconds[-1] if seconds[-1] else nan
    if stat == "derivative":
        middle = sum(seconds) / n
        spread = sum((s - middle) ** 2 for s in seconds)
        return sum((s - middle) * (v - mean) for s, v in zip(seconds, values, strict=True)) / spread if spread else nan
    if stat == "stddev":
        return sqrt(sum((v - mean) ** 2 for v in values) / (n - 1))
    raise AssertionError(stat)
