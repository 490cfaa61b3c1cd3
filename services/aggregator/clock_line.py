"""The line of time of a ring: the wall clock, with earlier rows told in the clock of now (DESIGN §3 "Time")."""

import numpy as np

from services.aggregator.batch import Times

STEP_US = 500_000  # a move of the wall clock that counts as a step (DESIGN §3)


def draw_line(line: Times, times_us: Times, boot_us: Times, start: int, a: int, b: int) -> None:
    """Continues `line`, held from `start` on, by the rows [a, b): those before a step of the wall clock move."""
    line[a:b] = times_us[a:b]
    if b - a == 1 and a > start:
        # The common case, 20 times as fast: one row that goes on where the last one was.
        wall_us = int(line[a]) - int(line[a - 1])
        moved_us = int(times_us[a]) - int(times_us[a - 1])
        moved_us -= int(boot_us[a]) - int(boot_us[a - 1])
        if wall_us >= 0 and -STEP_US <= moved_us <= STEP_US:
            return
    offsets = times_us[max(a - 1, start) : b] - boot_us[max(a - 1, start) : b]
    moved = np.diff(offsets)
    steps = np.flatnonzero((np.abs(moved) > STEP_US) | (np.diff(line[max(a - 1, start) : b]) < 0))
    first = b - len(offsets)
    for at in steps.tolist():
        row = first + at + 1
        passed = int(boot_us[row] - boot_us[row - 1])
        if passed < 0:
            # Another boot: its clock says nothing about the old one's. The wall clock rules,
            # and if it went back as well, the older rows move just before the newer.
            passed = max(0, int(times_us[row] - times_us[row - 1]))
        line[start:row] += line[row] - passed - line[row - 1]
