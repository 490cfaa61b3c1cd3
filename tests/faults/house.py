"""The stack under faults: kills, stops and starts, and how long it takes to be ready again."""

import time

from bus.clock import wall_us
from bus.supervision import LISTENER
from tests.stack import Stack, kill_family


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
        kill_family(self._supervisord.pid)
        self._supervisord.wait()

    def revive(self, timeout_s: float = 30.0) -> float:
        """Starts supervisord again; returns the seconds until everything is ready."""
        began_us, began_s = wall_us(), time.monotonic()
        self.launch()
        self.wait_ready(*self.everybody, after_us=began_us, timeout_s=timeout_s)
        return time.monotonic() - began_s
