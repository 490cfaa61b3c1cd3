"""A wall clock that a test can set, and a suspend: Python reads this file at its start where its folder is on the path.

Two offsets in ns, of the wall and of the boot clock, lie in a file of 16 bytes named by WFMON_TEST_CLOCK, so that all
processes see a step at the same instant. The monotonic clock is left alone, as it is by whoever sets a real clock, and
by a suspend: there the wall and the boot clock have gone on by as much.
"""

import mmap
import os
import struct
import time

_PATH = os.environ.get("WFMON_TEST_CLOCK")


def _install(path: str) -> None:
    with open(path, "rb") as file:
        offsets = mmap.mmap(file.fileno(), 16, access=mmap.ACCESS_READ)
    read_ns, get_ns, get_s = time.time_ns, time.clock_gettime_ns, time.clock_gettime
    number = struct.Struct("<q")
    at = {time.CLOCK_REALTIME: 0, time.CLOCK_BOOTTIME: number.size}

    def offset_ns(clock: int) -> int:
        return int(number.unpack_from(offsets, at[clock])[0]) if clock in at else 0

    def clock_gettime_ns(clock: int) -> int:
        return get_ns(clock) + offset_ns(clock)

    def clock_gettime(clock: int) -> float:
        return get_s(clock) + offset_ns(clock) / 1e9

    time.time_ns = lambda: read_ns() + offset_ns(time.CLOCK_REALTIME)
    time.time = lambda: (read_ns() + offset_ns(time.CLOCK_REALTIME)) / 1e9
    time.clock_gettime_ns = clock_gettime_ns
    time.clock_gettime = clock_gettime


if _PATH:
    _install(_PATH)
