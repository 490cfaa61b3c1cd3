"""How fine a reading is told: to the resolution of its measurement, not of a quotient of two integers.

A share or a rate is one count divided by another; its last 30 bits say nothing about the machine, and they are what
no lossless compression can take away: 6.6 bytes a sample on disk, 1 to 2 when rounded (tests/bench/storage.py).
Every step here is far below what the clock of the reading or the counter behind it can tell.
"""

from bus.catalogue import catalogue
from bus.series import Series

DIGITS = {
    "percent": 2,  # 0.01 % of the 100 ms between two readings is 10 µs
    "bytes/s": 0,
    "tokens/s": 3,
    "messages/s": 1,
    "frames/s": 2,
    "W": 3,  # NVML and RAPL tell mW and finer
    "J": 3,
    "°C": 2,
    "ms": 3,
    "s": 3,
    "bytes/sample": 3,
}


def digits_of(series: Series) -> int | None:
    """Decimal places of a metric's readings; None: they are told as they are (counts, and what no catalogue knows)."""
    metric = catalogue().get(series.metric)
    return DIGITS.get(metric.unit) if metric is not None else None


def told(value: float, digits: int | None) -> float:
    """The reading as it is told; NaN stays NaN."""
    return value if digits is None else round(value, digits)
