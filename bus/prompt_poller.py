"""supervisord's wait for something to happen, cut short by the end of a child.

Its own wait is one of a second that no signal ends (PEP 475), and the event of an end that it has seen lies in a buffer
until the next turn of its loop: together up to two seconds before anybody starts a service again.
"""

from __future__ import annotations

import contextlib
import os
import signal
from typing import Any

from supervisor import poller

_MOST_SIGNALS = 4096


class PromptPoller(poller.Poller):  # type: ignore[misc]
    """Returns at once for a signal, and once more where `again` was set: for what the turn before has caused."""

    def __init__(self, options: Any) -> None:
        super().__init__(options)
        self.again = False
        self._pipe: tuple[int, int] | None = None

    def poll(self, timeout: float) -> tuple[list[int], list[int]]:
        """(readable, writable) descriptors of supervisord's, after `timeout` seconds at most."""
        heard, _ = self._pipe or self._open()
        readable, writable = super().poll(0 if self.again else timeout)
        self.again = False
        with contextlib.suppress(BlockingIOError):
            os.read(heard, _MOST_SIGNALS)
        return [number for number in readable if number != heard], writable

    def close(self) -> None:
        """Ends it; signals are heard by nobody."""
        if self._pipe:
            signal.set_wakeup_fd(-1)
            for number in self._pipe:
                os.close(number)
            self._pipe = None
        super().close()

    def _open(self) -> tuple[int, int]:
        # At the first wait: what was open before, supervisord closes at its start.
        self._pipe = heard, told = os.pipe()
        for number in self._pipe:
            os.set_blocking(number, False)
        signal.set_wakeup_fd(told, warn_on_full_buffer=False)
        self.register_readable(heard)
        return self._pipe
