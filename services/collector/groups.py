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

# A tick that takes longer than this hangs in a driver or a dead disk.
_PATIENCE_S = 1.0

Write = Callable[[str, float, TableRow, int, int, bool], None]
"""Called as `write(group, rate_hz, row, time_us, boot_us, more)` on the very tick; `more`: not its last row."""
Watch = Callable[[str, float, list[TableRow]], None]
"""Called as `watch(group, now_s, rows)` after the rows were written."""
Fail = Callable[[str, Exception], None]
"""Called as `fail(thread, error)` where a row could not be written or watched."""


class Group:
    """One rate group, or the lane of it for what may block: a driver that hangs holds up only its own lane."""

    def __init__(self, name: str, lane: str, rate_hz: float, write: Write, watch: Watch, fail: Fail) -> None:
        self.name = name
        self._thread_name = f"{name}-{lane}" if lane else f"tick-{name}"
        self._fail = fail
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

    def hold(self, guards: Iterable[Guard]) -> bool:
        """Reads these samplers from the next tick on. Waits for the tick in hand; False where that hangs."""
        wanted = tuple(guards)
        if wanted == self.guards:
            return True
        if not self._lock.acquire(timeout=_PATIENCE_S):
            return False
        try:
            self._assembly = Assembly(wanted)
        finally:
            self._lock.release()
        return True

    def run(self) -> None:
        """Starts the thread where there is something to read, ends it where there is nothing."""
        if self.guards and self._ticker is None:
            self.pace.retime(self.pace.rate_hz, time.monotonic(), PHASE_S[self.name])
            self._ticker = Ticker(self._thread_name, self.pace, self._tick)
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
            try:
                for row in rows:
                    self._write(self.name, self.pace.rate_hz, row, time_us, boot, row is not rows[-1])
                self._watch(self.name, now_s, rows)
            except Exception as error:  # the next tick comes all the same
                self._fail(self._thread_name, error)
