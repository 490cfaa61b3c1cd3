"""A model's rate signal, and how two of them go together (CONTRACTS §3)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

GRID_S = 0.1
RATE_OVER_S = 0.2
# A stream that does not vary says nothing about another.
LEAST_VARIATION = 0.05
# p < 0.01, two-sided, on Fisher's z.
SIGNIFICANT_Z = 2.576
_LEAST_POINTS = 8


def rate_signal(arrivals_s: Floats, end_s: float, window_s: float) -> Floats | None:
    """Tokens a second on a 100 ms grid over (end − window, end], each the mean over the last 200 ms.

    The cumulative count is interpolated linearly between arrivals, which are ascending. None where the
    stream does not reach through the whole window: silence is not a rate of zero.
    """
    points = round(window_s / GRID_S)
    grid = end_s - GRID_S * np.arange(points - 1, -1, -1)
    if len(arrivals_s) < 2 or arrivals_s[0] > grid[0] - RATE_OVER_S or arrivals_s[-1] < end_s:
        return None
    counts = np.arange(1.0, len(arrivals_s) + 1.0)
    later = np.interp(grid, arrivals_s, counts)
    earlier = np.interp(grid - RATE_OVER_S, arrivals_s, counts)
    signal: Floats = (later - earlier) / RATE_OVER_S
    return signal


def detrended(signal: Floats) -> Floats:
    """Less its least-squares line."""
    x = np.arange(len(signal)) - (len(signal) - 1) / 2.0
    centred = signal - signal.mean()
    line: Floats = centred - x * (x @ centred) / (x @ x)
    return line


def varies(signal: Floats) -> bool:
    mean = float(signal.mean())
    return mean > 0.0 and float(signal.std()) / mean > LEAST_VARIATION


class Coupling(NamedTuple):
    """How two rate signals went together in one window."""

    r: float
    """Pearson, sign kept: > 0 in step, < 0 opposed."""
    significant: bool
    """Beyond chance, by the agreement of their changes."""


def _autocorrelation(signal: Floats) -> float:
    return float(signal[1:] @ signal[:-1]) / float(signal @ signal)


def coupling(one: Floats, other: Floats) -> Coupling | None:
    """Of two rate signals of the same window; None where either does not vary."""
    if not (varies(one) and varies(other)):
        return None
    a, b = detrended(one), detrended(other)
    norm = float(np.sqrt((a @ a) * (b @ b)))
    if norm <= 1e-9 * len(a):
        return None
    r = float(np.clip((a @ b) / norm, -1.0, 1.0))
    return Coupling(r, _significant(np.diff(a), np.diff(b)))


def _significant(a: Floats, b: Floats) -> bool:
    """Whether the changes of two rates agree beyond chance: p < 0.01 by Fisher's z at the effective sample size.

    Rates that wander agree by chance in 2 to 5 % of windows; their changes do not. Judged so, independent
    wanderers (AR 0.5 to 0.98) are called coupled in at most 0.1 % of windows, and swings of 1 to 4 s are still found.
    """
    norm = float(np.sqrt((a @ a) * (b @ b)))
    if norm <= 0.0:
        return False
    both = max(_autocorrelation(a) * _autocorrelation(b), -0.99)
    # Autocorrelated signals have fewer independent points: n_eff = n (1 − ρ₁ρ₂)/(1 + ρ₁ρ₂).
    effective = min(len(a) * (1.0 - both) / (1.0 + both), len(a))
    if effective <= 4.0:
        return False
    r = min(abs(float(a @ b) / norm), 1.0 - 1e-12)
    return bool(np.arctanh(r) * np.sqrt(effective - 3.0) > SIGNIFICANT_Z)


def lag_s(one: Floats, other: Floats, most_s: float = 1.0) -> float:
    """By how much `other` follows `one`, in seconds on the grid: argmax of the cross-correlation."""
    a, b = detrended(one), detrended(other)
    most = min(round(most_s / GRID_S), len(a) - _LEAST_POINTS)
    best, at = -np.inf, 0
    for shift in range(-most, most + 1):
        x, y = (a[: len(a) - shift], b[shift:]) if shift >= 0 else (a[-shift:], b[:shift])
        norm = float(np.sqrt((x @ x) * (y @ y)))
        value = float(x @ y) / norm if norm > 0.0 else -np.inf
        # Of equals the smallest shift: a periodic signal agrees with itself a period later as well.
        if value > best + 1e-9 or (abs(value - best) <= 1e-9 and abs(shift) < abs(at)):
            best, at = value, shift
    return at * GRID_S
