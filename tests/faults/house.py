"""The stack under faults: kills, stops and starts, and how long it takes to be ready again."""

import os
import signal
import time

import psutil

from bus.clock import wall_us
from bus.supervision import LISTENER
from tests.stack import Stack, wait_until


class House(Stack):
    """A stack that may be mistreated."""

    @property
    def everybody(self) -> tuple[str, ...]:
        return (*self.services, LISTENER)

    def kill_and_revive(self, service: str, timeout_s: float = 30.0) -> float:
        """kill -9, then wait until it is ready in a new life; returns the seconds that took."""
        began_us, began_s = wall_us(), time.monotonic()
        self.kill(service)
        self.wait_ready(service, after_us=began_us, timeout_s=timeout_s)
        return time.monotonic() - began_s

    def kill_all(self) -> None:
        """kill -9 of supervisord and all its children at once; returns when none is left."""
        assert self._supervisord is not None
        pids = [self._supervisord.pid, *(child.pid for child in psutil.Process(self.supervisor_pid).children())]
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self._supervisord.wait()
        # Orphans are reaped by init or by whoever stands in for it; a zombie holds no lock.
        wait_until(lambda: not any(_runs(pid) for pid in pids), 10, f"{pids} to end")

    def revive(self, timeout_s: float = 30.0) -> float:
        """Starts supervisord again; returns the seconds until everything is ready."""
        began_us, began_s = wall_us(), time.monotonic()
        self.launch()
        self.wait_ready(*self.everybody, after_us=began_us, timeout_s=timeout_s)
        return time.monotonic() - began_s


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
