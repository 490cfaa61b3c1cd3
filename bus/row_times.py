"""The times of a table's rows where what they tell of may come in any order: each row after the one before it.

The aggregator takes a row that lies before the newest for a clock that was set, and moves all earlier rows by as much
(`RingTable.line_us`). The page and a merged live frame know a row by its wall clock. Pure.
"""

import math

# The two clocks are read one after the other: mostly within a µs, but who loses the processor in between has it back
# some ms later. A row that much before the newest by the wall clock is no sign of a clock that was set, and comes after
# it.
_READINGS_DIFFER_US = 10_000


class RowTimes:
    """Of one table. Order is judged by the boot clock, which nobody sets; the wall clock may go back by more."""

    def __init__(self) -> None:
        self.newest_boot_us: float = -math.inf
        """-inf: there is no row yet."""
        self._newest_us = 0

    def next(self, boot_us: int, ahead_us: int) -> tuple[int, int]:
        """Wall and boot time of the next row, µs: at `boot_us`, or right after the newest where that is not before it.

        `ahead_us`: by how much the wall clock is ahead of the boot clock now.
        """
        if boot_us <= self.newest_boot_us:
            boot_us = int(self.newest_boot_us) + 1
        time_us = boot_us + ahead_us
        if 0 <= self._newest_us - time_us < _READINGS_DIFFER_US:
            time_us = self._newest_us + 1
        self._newest_us, self.newest_boot_us = time_us, boot_us
        return time_us, boot_us
