"""How fine a reading is told: to the resolution of its measurement, not of a quotient of two integers.

A share or a rate is one count divided by another; its last 30 bits say nothing about the machine, and they are what
no lossless compression can take away: 6.6 bytes a sample on disk, 1 to 2 when rounded (tests/bench/storage.py).
Every step here is far below what the clock of the reading or the counter behind it can tell.
"""

from collections.abc import Iterable

from bus.catalogue import catalogue
from bus.series import Series

DIGITS = {
    "percent": 2,  # 0.01 % of the 100 ms between two readings is 10 µs
    "bytes/s": 0,
    "tokens/s": 3,
    "messages/s": 1,
    "switches/s": 0,
    "interrupts/s": 0,
    # Rare ones are not rounded away: one counted between two readings is 10 a second at 10 Hz, 0.1 at the slowest.
    "faults/s": 1,
    "events/s": 1,
    "packets/s": 1,
    "processes/s": 1,
    "requests/s": 1,
    "requests": 3,
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


# Added and taken away again, it leaves the nearest whole number: a double this large has no place for a fraction.
_WHOLE = 1.5 * 2.0**52


def step_of(series: Series) -> float | None:
    """How many steps of its resolution a unit of the metric has: 100.0 for two decimal places; None: told as it is."""
    digits = digits_of(series)
    return None if digits is None else 10.0**digits


def told_row(values: Iterable[float], steps: Iterable[float | None]) -> list[float]:
    """`told` for a row at a fraction of its cost: round() makes a decimal text of each number, and reads it again.

    Exact below 2**51 steps (22 TB at 0.01); where a value lies half-way between two steps, it may be the other one.
    """
    return [
        value if step is None else (value * step + _WHOLE - _WHOLE) / step
        for value, step in zip(values, steps, strict=True)
    ]
