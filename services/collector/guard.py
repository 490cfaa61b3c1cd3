"""A sampler in its cage: its failure is its own, its cost is known (DESIGN §5.1, STYLE rule 11)."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from bus.series import Series
from services.collector.sampler import NAN, Sampler

_FIRST_SILENCE_S = 60.0
_LONGEST_SILENCE_S = 3600.0
# Weight of the newest reading in the running means: about the last 20 count.
_NEWEST = 0.05

Warn = Callable[[str, str, str], None]
"""Called as `warn(text, sampler, error)`."""


class Guard:
    """Reads one sampler. Where it fails, its columns are NaN, the failure is counted and said with back-off."""

    def __init__(self, sampler: Sampler, warn: Warn, subject: str = "") -> None:
        """`subject` is the name it was registered under, and goes by; its own name where it was not."""
        self.sampler = sampler
        self.subject = subject or sampler.name
        self.columns: tuple[Series, ...] = sampler.columns()
        self.errors = 0
        self.reads = 0
        self.cpu_s = 0.0
        """Running mean of the CPU seconds of one read."""
        self.wall_s = 0.0
        """Running mean of the seconds one read takes, waiting for the kernel or a driver included."""
        self._warn = warn
        self._failing = 0
        self._silent_until_s = 0.0
        self._silence_s = _FIRST_SILENCE_S

    def read(self, now_s: float) -> Sequence[float]:
        """One value a column; `columns` is up to date afterwards. Never raises."""
        cpu_s, wall_s = time.thread_time(), time.perf_counter()
        try:
            values = self.sampler.read(now_s)
            columns = self.sampler.columns()
            if len(values) != len(columns):
                raise ValueError(f"{len(values)} values for {len(columns)} columns")
        except Exception as error:  # whatever a third party's code raises
            self._failed(now_s, error)
            return [NAN] * len(self.columns)
        finally:
            self._cost(time.thread_time() - cpu_s, time.perf_counter() - wall_s)
        self.columns = columns
        if self._failing:
            self._warn(f"reads again, after {self._failing} failures", self.subject, "")
            self._failing, self._silent_until_s, self._silence_s = 0, 0.0, _FIRST_SILENCE_S
        return values

    def _failed(self, now_s: float, error: Exception) -> None:
        self.errors += 1
        self._failing += 1
        if now_s >= self._silent_until_s:
            self._silent_until_s = now_s + self._silence_s
            self._silence_s = min(2.0 * self._silence_s, _LONGEST_SILENCE_S)
            text = f"cannot be read, its series are absent; failure {self._failing}"
            self._warn(text, self.subject, f"{type(error).__name__}: {error}")

    def _cost(self, cpu_s: float, wall_s: float) -> None:
        self.reads += 1
        weight = max(_NEWEST, 1.0 / self.reads)
        self.cpu_s += weight * (cpu_s - self.cpu_s)
        self.wall_s += weight * (wall_s - self.wall_s)
