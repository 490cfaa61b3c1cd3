"""The clockwork: one thread a rate group that has anything to read. All waiting is here, all timing in pace.py."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from services.collector.pace import Pace, Tick

# Longest sleep that cannot be broken off: bounds how long a stop or a new rate waits.
_DEAF_S = 0.2


class Ticker:
    """Calls `work(tick)` on the grid, in a thread of its own, until stopped.

    The last stretch is one `time.sleep`, which on Linux is clock_nanosleep to an absolute monotonic
    time: no busy wait, no drift.
    """

    def __init__(self, name: str, pace: Pace, work: Callable[[Tick], None]) -> None:
        self._pace = pace
        self._work = work
        self._wake = threading.Event()
        self._stopping = False
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begins with the first grid point from now; ticks from before are not missed, they were not wanted."""
        self._thread.start()

    def retime(self, rate_hz: float, phase_s: float) -> None:
        """Goes over to another rate at once."""
        with self._lock:
            self._pace.retime(rate_hz, time.monotonic(), phase_s)
        self._wake.set()

    def stop(self) -> None:
        """Ends after the tick in hand; waits for it at most 1 s."""
        self._stopping = True
        self._wake.set()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(1.0)

    def _run(self) -> None:
        while not self._stopping:
            left_s = self._pace.due_s - time.monotonic()
            if left_s > _DEAF_S:
                self._wake.wait(left_s - _DEAF_S / 2)
                self._wake.clear()
                continue
            if left_s > 0:
                time.sleep(left_s)
            with self._lock:
                tick = self._pace.take(time.monotonic())
            if tick is not None and not self._stopping:
                self._work(tick)
