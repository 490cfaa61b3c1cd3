"""Steps of the wall clock, and sleep: events of their own, so that no chart and no rule mistakes them. Pure."""

from __future__ import annotations

from typing import NamedTuple

STEP_US = 500_000


class Instant(NamedTuple):
    """The three clocks, read together, in µs."""

    wall_us: int
    boot_us: int
    monotonic_us: int


class ClockStep(NamedTuple):
    """The wall clock was set by so much against the boot clock."""

    by_us: int


class Sleep(NamedTuple):
    """The machine was suspended: when it fell asleep (wall clock before) and for how long."""

    from_wall_us: int
    from_boot_us: int
    for_us: int


class Timeline:
    """Compares each instant with the one before (DESIGN §3: more than 500 ms is an event).

    A clock that is slewed drifts less than that between two looks, and is none.
    """

    def __init__(self) -> None:
        self._last: Instant | None = None

    def observe(self, now: Instant) -> list[ClockStep | Sleep]:
        """What happened since the last instant: sleep first, then a step of the wall clock."""
        last, self._last = self._last, now
        if last is None:
            return []
        found: list[ClockStep | Sleep] = []
        awake_us = now.monotonic_us - last.monotonic_us
        passed_us = now.boot_us - last.boot_us
        if passed_us - awake_us > STEP_US:
            found.append(Sleep(last.wall_us, last.boot_us, passed_us - awake_us))
        stepped_us = (now.wall_us - last.wall_us) - passed_us
        if abs(stepped_us) > STEP_US:
            found.append(ClockStep(stepped_us))
        return found
