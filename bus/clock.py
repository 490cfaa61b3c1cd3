"""The three clocks of a record: wall (what people read), boot (runs through suspend), monotonic (durations)."""

import time

# macOS has no CLOCK_BOOTTIME; its CLOCK_MONOTONIC runs through sleep, so it serves as the boot clock there.
_BOOT_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def wall_us() -> int:
    """Wall clock in µs since 1970. May step; never take durations from it."""
    return time.time_ns() // 1000


def boot_us() -> int:
    """µs since boot, suspended time included."""
    return time.clock_gettime_ns(_BOOT_CLOCK) // 1000


def monotonic_s() -> float:
    """Seconds for durations and grids; stands still while the machine is suspended (Linux)."""
    return time.monotonic()
