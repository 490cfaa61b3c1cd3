"""The floor for ticks: sleeps to absolute times by clock_nanosleep, a C call, and prints each lateness in seconds.

`python bare.py RATE_HZ SECONDS`, a process of its own that imports nothing of ours.
"""

import ctypes
import math
import sys
import time

_TIMER_ABSTIME = 1


class _Timespec(ctypes.Structure):
    _fields_ = (("s", ctypes.c_long), ("ns", ctypes.c_long))


def lateness_s(rate_hz: float, seconds: float) -> list[float]:
    """How late each tick of an empty loop began."""
    sleep = ctypes.CDLL(None).clock_nanosleep
    start = math.ceil(time.monotonic())
    late_s = []
    for n in range(1, round(seconds * rate_hz) + 1):
        due_s = start + n / rate_hz
        due = _Timespec(int(due_s), int(due_s % 1.0 * 1e9))
        sleep(time.CLOCK_MONOTONIC, _TIMER_ABSTIME, ctypes.byref(due), None)
        late_s.append(time.monotonic() - due_s)
    return late_s


if __name__ == "__main__":
    print("\n".join(map(str, lateness_s(float(sys.argv[1]), float(sys.argv[2])))))
