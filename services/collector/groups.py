"""The rate groups at work: each has its samplers, its grid, and a thread only while it has samplers."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable

from bus.clock import BEAT_PHASE_S, boot_us, wall_us
from services.collector.assembly import Assembly, TableRow
from services.collector.guard import Guard
from services.collector.pace import Pace, Tick
from services.collector.scheduler import Ticker

# Trend reads begin off the grid of the resource group, so that they do not delay it, and on the services' beat.
PHASE_S = {"render": 0.0, "resource": 0.0, "trend": BEAT_PHASE_S}

Write = Callable[[str, float, TableRow, int, int], None]
"""Called as `write(group, rate_hz, row, time_us, boot_us)` on the very tick."""
Watch = Callable[[str, float, list[TableRow]], None]
"""Called as `watch(group, now_s, rows)` after the rows were written."""


class Group:
    """One rate group."""

    def __init__(self, name: str, rate_hz: float, write: Write, watch: Watch) -> None:
        self.name = name
        self.pace = Pace.anchored(rate_hz, time.monotonic(), PHASE_S[name])
        self._write = write
        self._watch = watch
        self._assembly = Assembly(())
        self._lock = threading.Lock()
        self._ticker: Ticker | None = None

    @property
    def guards(self) -> tuple[Guard, ...]:
        """The samplers in it."""
        return self._assembly.guards

    def hold(self, guards: Iterable[Guard]) -> None:
        """Reads these samplers from the next tick on; waits for the tick in hand."""
        wanted = tuple(guards)
        if wanted == self.guards:
            return
        with self._lock:
            self._assembly = Assembly(wanted)

    def run(self) -> None:
        """Starts the thread where there is something to read, ends it where there is nothing."""
        if self.guards and self._ticker is None:
            self.pace.retime(self.pace.rate_hz, time.monotonic(), PHASE_S[self.name])
            self._ticker = Ticker(f"tick-{self.name}", self.pace, self._tick)
            self._ticker.start()
        elif not self.guards and self._ticker is not None:
            self.stop()

    def retime(self, rate_hz: float) -> None:
        """Another rate, live."""
        if rate_hz == self.pace.rate_hz:
            return
        if self._ticker is None:
            self.pace.rate_hz = rate_hz
        else:
            self._ticker.retime(rate_hz, PHASE_S[self.name])

    def stop(self) -> None:
        if self._ticker is not None:
            self._ticker.stop()
            self._ticker = None

    def _tick(self, tick: Tick) -> None:
        with self._lock:
            now_s, time_us, boot = time.monotonic(), wall_us(), boot_us()
            rows = self._assembly.rows(now_s)
            for row in rows:
                self._write(self.name, self.pace.rate_hz, row, time_us, boot)
            self._watch(self.name, now_s, rows)
