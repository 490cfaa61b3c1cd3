"""A wall clock that a test can set: Python reads this file at its start where its folder is on the path.

The offset in ns lies in a file of eight bytes named by WFMON_TEST_CLOCK, so that all processes see a step at the
same instant. Monotonic and boot clock are left alone, as they are by whoever sets a real clock.
"""

import mmap
import os
import struct
import time

_PATH = os.environ.get("WFMON_TEST_CLOCK")


def _install(path: str) -> None:
    with open(path, "rb") as file:
        offset = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    read_ns, get_ns, get_s = time.time_ns, time.clock_gettime_ns, time.clock_gettime
    number = struct.Struct("<q")

    def offset_ns() -> int:
        return int(number.unpack_from(offset)[0])

    def clock_gettime_ns(clock: int) -> int:
        return get_ns(clock) + (offset_ns() if clock == time.CLOCK_REALTIME else 0)

    def clock_gettime(clock: int) -> float:
        return get_s(clock) + (offset_ns() / 1e9 if clock == time.CLOCK_REALTIME else 0.0)

    time.time_ns = lambda: read_ns() + offset_ns()
    time.time = lambda: (read_ns() + offset_ns()) / 1e9
    time.clock_gettime_ns = clock_gettime_ns
    time.clock_gettime = clock_gettime


if _PATH:
    _install(_PATH)
