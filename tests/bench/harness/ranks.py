"""Percentiles as the product defines them."""

from __future__ import annotations

import math
from collections.abc import Sequence


def percentile(values: Sequence[float], percent: float) -> float:
    """Nearest rank: the smallest value with at least that share at or below it (CONTRACTS §6)."""
    return sorted(values)[max(1, math.ceil(percent / 100 * len(values))) - 1]
