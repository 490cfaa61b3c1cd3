"""The power a device takes while it does nothing, learned from itself.

    P_idle = min over runs of 10 consecutive quiet seconds of (1/10) Σ P̄ₛ

P̄ₛ is the mean power of second s. A second is quiet where the device said so for all of it: gpu.util_percent 0, for the
package system.cpu.percent below 5 (a CPU is never at 0). The lowest such run since the monitor started counts: a GPU
takes seconds to leave its clocks after work, and those are not idle power. Unknown until the first run.
"""

import math
from collections import deque

from services.aggregator.joules.integral import Piece

SUSTAINED_S = 10
_COVERED_S = 0.9


class IdleLevel:
    """One device; asked once a second."""

    def __init__(self) -> None:
        self.watts = math.nan
        """NaN: not learned yet."""
        self._run: deque[float] = deque(maxlen=SUSTAINED_S)

    def observe(self, piece: Piece, quiet: bool) -> None:
        """Take the next second; one that was busy, or hardly measured, begins a new run."""
        if not quiet or piece.covered_s < _COVERED_S:
            self._run.clear()
            return
        self._run.append(piece.watts)
        if len(self._run) == SUSTAINED_S:
            mean = sum(self._run) / SUSTAINED_S
            self.watts = mean if math.isnan(self.watts) else min(self.watts, mean)

    def joules(self, piece: Piece) -> float:
        """Return the idle part of a second: P_idle × the time measured, all of it at most; 0 while unknown."""
        return 0.0 if math.isnan(self.watts) else min(piece.joules, self.watts * piece.covered_s)
