"""The scheduler's own figures: jitter, missed ticks and failed reads of the collector (CONTRACTS §1)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from bus.series import Series
from services.collector.pace import Pace
from services.collector.sampler import NAN


class Clockwork:
    """monitor:collector tick_jitter_ms, missed_ticks_total and sampler_errors_total."""

    name = "own_cost"
    group = "trend"

    def __init__(self, paces: Callable[[], Sequence[Pace]], errors: Callable[[], int]) -> None:
        self._paces = paces
        self._errors = errors
        fields = ("tick_jitter_ms", "missed_ticks_total", "sampler_errors_total")
        self._columns = tuple(Series(f"monitor.{field}", "monitor:collector") for field in fields)

    def columns(self) -> tuple[Series, ...]:
        return self._columns

    def read(self, now_s: float) -> list[float]:
        """The worst group's jitter; absent in a second without a tick."""
        paces = self._paces()
        late = [late_s for pace in paces if not math.isnan(late_s := pace.jitter_s(now_s))]
        missed = sum(pace.missed for pace in paces)
        return [1000.0 * max(late) if late else NAN, float(missed), float(self._errors())]
