"""Whether a stream of values has moved away from what it was: a two-sided CUSUM against a frozen baseline. Pure, O(1).

The first 100 values are the baseline: their mean and standard deviation, never learned again. Each later value is
standardised by them, z, kept within ±3, and added up in two sums (E. S. Page, Continuous inspection schemes, 1954):

    up ← max(0, up + z − ½)        down ← max(0, down − z − ½)

Drift is when one of them reaches 12. Values that stay what they were give a false alarm in about 1 % of runs of 500
values (tasks right in 95 % of cases: 0; in 70 %: 3 %). A fall by two standard deviations is seen after 9 values, by one
after 22; a model that falls from 95 % right to 60 % after 18 tasks, from always to half after 12 (medians of a
simulation: tests/aggregator/test_drift.py).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

BASELINE = 100
SLACK = 0.5
LIMIT = 12.0
MOST_Z = 3.0
# It ends below half of the limit, so that one that hovers there is told once.
ENDS_BELOW = 0.5
# A drift that lasted is left as fast as one that was just told.
_MOST = 2 * LIMIT


@dataclass(slots=True)
class Detector:
    """One stream. `least_deviation`: below this a difference is none, however steady the baseline was."""

    least_deviation: float
    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of the squared distances from the mean (Welford)."""
    up: float = 0.0
    down: float = 0.0
    drifts: bool = False

    def take(self, value: float) -> bool:
        """One value; True where a drift begins or ends with it. Values that are no finite number are passed over."""
        if not math.isfinite(value):
            return False
        if self.count < BASELINE:
            self._learn(value)
            return False
        z = max(-MOST_Z, min(MOST_Z, (value - self.mean) / self.deviation))
        self.up = min(_MOST, max(0.0, self.up + z - SLACK))
        self.down = min(_MOST, max(0.0, self.down - z - SLACK))
        level = abs(self.level)
        before, self.drifts = self.drifts, level >= (ENDS_BELOW if self.drifts else 1.0)
        return self.drifts is not before

    def _learn(self, value: float) -> None:
        self.count += 1
        off = value - self.mean
        self.mean += off / self.count
        self.squares += off * (value - self.mean)

    @property
    def learned(self) -> bool:
        """Whether the baseline is complete."""
        return self.count >= BASELINE

    @property
    def deviation(self) -> float:
        """Standard deviation of the baseline, or the least that counts."""
        return max(self.least_deviation, math.sqrt(self.squares / max(1, self.count - 1)))

    @property
    def level(self) -> float:
        """How far it has moved, in alarm limits: 1 or more is drift, below 0 is downwards; NaN while it learns."""
        if not self.learned:
            return math.nan
        return (self.up if self.up >= self.down else -self.down) / LIMIT
