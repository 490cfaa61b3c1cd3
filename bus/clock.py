"""The three clocks of a record: wall (what people read), boot (runs through suspend), monotonic (durations)."""

import time

# macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC runs through sleep, so it serves as the boot clock there.
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

# Where the beat lies in each second of the monotonic clock: off the grid of 10 Hz, and as long before the next tick of
# 60 Hz as can be (3/60 is 0.05). All services wake up at once on it; a tick at that moment came 0.6 ms late and more.
BEAT_PHASE_S = 0.053


def wall_us() -> int:
    """Wall clock in µs since 1970. May step; never take durations from it."""
    return time.time_ns() // 1000


def boot_us() -> int:
    """µs since boot, suspended time included."""
    return time.clock_gettime_ns(_BOOT_CLOCK) // 1000


def monotonic_s() -> float:
    """Seconds for durations and grids; stands still while the machine is suspended (Linux)."""
    return time.monotonic()


def until_beat_s(now_s: float | None = None, every_s: float = 1.0) -> float:
    """Seconds until the next beat: the moment in each second when all services do what they do once a second.

    One monotonic clock serves the whole machine, so their heartbeats and figures go out together, and whoever hears
    them wakes up once for all. A wake-up alone costs 75 µs of CPU on a virtual machine, more than most messages.
    Never less than 20 ms: who woke a little early is not sent to the same beat again.
    """
    left_s = every_s - ((time.monotonic() if now_s is None else now_s) - BEAT_PHASE_S) % every_s
    return left_s if left_s >= min(0.02, every_s / 2) else left_s + every_s
