"""What measuring may cost: rates fall while the collector is dearer than allowed, and rise again. Pure."""

from __future__ import annotations

CHECK_EVERY_S = 10.0
SLOWEST = 16
# Checks in a row above the budget before rates fall: a start, or a replay of ten minutes, is dear for a moment.
_DEAR_CHECKS = 2
# Up again only well below the budget, for a while: otherwise the rate would swing.
_EASY_SHARE = 0.4
_EASY_FOR_S = 60.0


class Budget:
    """Turns the own CPU time into a divisor of the rates: 1, 2, 4 … 16."""

    def __init__(self, limit_percent: float, cores: int) -> None:
        self.limit_percent = limit_percent
        self.divisor = 1
        self.cost_percent = float("nan")
        """Own CPU time in percent of the whole machine over the last check."""
        self._cores = cores
        self._checked: tuple[float, float] | None = None
        self._easy_since_s: float | None = None
        self._dear = 0

    def observe(self, now_s: float, cpu_s: float) -> bool:
        """Looks each 10 s at the CPU seconds used so far. True where the divisor changed."""
        if self._checked is None:
            self._checked = (now_s, cpu_s)
        span_s = now_s - self._checked[0]
        if span_s < CHECK_EVERY_S:
            return False
        self.cost_percent = 100.0 * (cpu_s - self._checked[1]) / span_s / self._cores
        self._checked = (now_s, cpu_s)
        before = self.divisor
        self._dear = self._dear + 1 if self.cost_percent > self.limit_percent else 0
        if self._dear >= _DEAR_CHECKS:
            self.divisor = min(self.divisor * 2, SLOWEST)
            self._dear = 0
        if self.cost_percent > _EASY_SHARE * self.limit_percent:
            self._easy_since_s = None
        elif self._easy_since_s is None:
            self._easy_since_s = now_s
        elif now_s - self._easy_since_s >= _EASY_FOR_S:
            self.divisor = max(self.divisor // 2, 1)
            self._easy_since_s = None
        return self.divisor != before
