"""One runtime under watch: a thread that looks at it, one request at a time, and tells what came and went."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from services.collector.runtime.asked import Asked
from services.collector.runtime.candidates import Candidate
from services.collector.runtime.door import Closed, Door, Faulty, Refused, Slow
from services.collector.runtime.history import History
from services.collector.runtime.reading import Reading

# A look that takes this share of its pause in CPU, or more, is made more rarely.
_DEAR_SHARE = 0.02
_LONGEST_S = 30.0
_FORBIDDEN_S = 60.0
_LONGEST_FORBIDDEN_S = 600.0
_LOADING_S = 0.5
# A port that refuses twice in a row is closed; a server that restarts itself may refuse once.
_REFUSALS = 2
_REFUSED_S = 1.0
_KEEP_READINGS = 3.0


class Runtime(Protocol):
    """What a file of `samplers/runtime/` has: how to know one kind of runtime, and how to look at it."""

    name: str
    """Value of the label `runtime`."""

    def look(self, door: Door, now_s: float) -> Reading:
        """One look. Raises as `Door` does where nothing came back."""


class Watch:
    """Looks at one runtime until its port is closed. Slowness and faults only make the looks rarer."""

    def __init__(
        self,
        candidate: Candidate,
        runtime: Runtime,
        event: Callable[..., None],
        every_s: Callable[[], float],
        *,
        new: bool = False,
        began_s: float | None = None,
        asked: Asked | None = None,
    ) -> None:
        """As History takes them: `new`, `began_s`, `asked`."""
        self.candidate = candidate
        self.runtime = runtime
        self.gone = False
        self.note = ""
        """What is not told, and the mend; "" where all is."""
        self.fault = ""
        """Why the last look failed: passing, so it is in no inventory."""
        self._every_s = every_s
        self._history = History(runtime.name, candidate.port, event, new, began_s, asked)
        self._latest: tuple[Reading, float] | None = None
        self._failures = self._refusals = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"runtime-{candidate.port}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Ends after the request in hand; waits for nobody."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def reading(self, now_s: float) -> Reading | None:
        """The newest reading, while it is not older than three periods."""
        latest = self._latest
        return latest[0] if latest and now_s - latest[1] <= _KEEP_READINGS * self._every_s() + 0.5 else None

    def _run(self) -> None:
        door = Door(self.candidate.port, self.candidate.host)
        while not self._stop.is_set() and not self.gone:
            began_s = time.thread_time()
            pause_s = self.look(door, time.monotonic())
            self._stop.wait(max(pause_s, (time.thread_time() - began_s) / _DEAR_SHARE))
        if self.gone:
            self._history.ended()

    def look(self, door: Door, now_s: float) -> float:
        """One look; returns the seconds until the next. Never raises."""
        began_s = time.monotonic()
        try:
            reading = self.runtime.look(door, now_s)
            ended_s = time.monotonic()
            self._latest = reading, ended_s
            # What it tells was so at the end of the look; a slow one may begin before what it sees.
            self._history.observe(reading, now_s + ended_s - began_s)
        except Closed:
            self._refusals += 1
            if self._refusals >= _REFUSALS:
                self.gone, self._latest = True, None
            return _REFUSED_S
        except Refused as refused:
            if refused.status in (401, 403):
                self.note, self._refusals = "it wants an API key", 0
                pause_s = min(_FORBIDDEN_S * 2.0 ** min(self._failures, 8), _LONGEST_FORBIDDEN_S)
                self._failures += 1
                return pause_s
            return self._failed(str(refused))
        except (Slow, Faulty) as error:
            return self._failed(str(error))
        except Exception as error:  # a fault of ours: this runtime is not read, the others are
            return self._failed(f"{type(error).__name__} while reading it")
        self._failures = self._refusals = 0
        self.note, self.fault = reading.note, ""
        return _LOADING_S if reading.loading else self._every_s()

    def _failed(self, fault: str) -> float:
        """It answers, but not well: nothing to call it gone for."""
        self.fault = fault
        self._refusals = 0
        self._failures += 1
        return min(self._every_s() * 2.0 ** min(self._failures, 8), _LONGEST_S)
