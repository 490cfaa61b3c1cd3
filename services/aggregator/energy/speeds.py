"""How fast a model ran in its last seven days: a histogram a day, and the 95th percentile of them (CONTRACTS §2)."""

import math
import struct
from collections import Counter
from collections.abc import Iterable

# Sixteen bins to a doubling. A bin is told by its middle, which is off by 2^(1/32) at most: ± 2.2 %.
BINS_A_DOUBLING = 16
STATED_ERROR = 2.0 ** (0.5 / BINS_A_DOUBLING) - 1.0
DAYS = 7
_LEAST_TPS, _MOST_TPS = 0.1, 100_000.0
_ENTRY = struct.Struct("<hI")
_MOST_COUNT = 2**32 - 1


class Histogram:
    """Speeds in tokens a second, counted in bins of equal ratio; two of them add up. At most 320 bins, 2 kB."""

    def __init__(self) -> None:
        self.counts: Counter[int] = Counter()

    def add(self, tps: float) -> None:
        """Counts one second at this speed; a second without tokens is none. Outside 0.1 to 100,000: at that end."""
        if tps > 0.0:
            self.counts[round(BINS_A_DOUBLING * math.log2(min(max(tps, _LEAST_TPS), _MOST_TPS)))] += 1

    @property
    def total(self) -> int:
        """Seconds counted."""
        return self.counts.total()

    def to_bytes(self) -> bytes:
        """As it lies in the database."""
        return b"".join(_ENTRY.pack(at, min(count, _MOST_COUNT)) for at, count in sorted(self.counts.items()))

    @classmethod
    def from_bytes(cls, data: bytes) -> "Histogram":
        """Raises ValueError for what is none."""
        if len(data) % _ENTRY.size:
            raise ValueError(f"{len(data)} bytes are no histogram of speeds")
        made = cls()
        made.counts.update(dict(_ENTRY.iter_unpack(data)))
        return made


def percentile(histograms: Iterable[Histogram], percent: float) -> float:
    """By nearest rank over all of them, within STATED_ERROR; NaN where nothing was counted."""
    counts: Counter[int] = Counter()
    for histogram in histograms:
        counts.update(histogram.counts)
    left = math.ceil(counts.total() * percent / 100.0)
    for at, count in sorted(counts.items()):
        left -= count
        if left <= 0:
            return float(2.0 ** (at / BINS_A_DOUBLING))
    return math.nan


class SpeedWeek:
    """A model's speeds by day (days since 1970, UTC). The last seven days are today and the six before."""

    def __init__(self) -> None:
        self.days: dict[int, Histogram] = {}

    def add(self, day: int, tps: float) -> None:
        """Counts a second; days that are too old go."""
        histogram = self.days.get(day)
        if histogram is None:
            histogram = self.days[day] = Histogram()
            for old in [old for old in self.days if old <= day - DAYS]:
                del self.days[old]
        histogram.add(tps)

    def p95(self, day: int) -> float:
        """95th percentile over the last seven days, tokens a second; NaN of none."""
        return percentile(self._week(day), 95.0)

    def seconds(self, day: int) -> int:
        """Counted in the last seven days."""
        return sum(histogram.total for histogram in self._week(day))

    def _week(self, day: int) -> list[Histogram]:
        return [histogram for at, histogram in self.days.items() if day - DAYS < at <= day]
