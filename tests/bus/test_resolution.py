"""Readings are told to the resolution of their measurement."""

from math import isnan, nan

import pytest

from bus.resolution import digits_of, told
from bus.series import Series


@pytest.mark.parametrize(
    ("metric", "value", "expected"),
    [
        ("system.cpu.percent", 93.23375501234, 93.23),
        ("system.net.lo_bytes_s", 12721371.07402899, 12721371.0),
        ("system.mem.used_bytes", 1743167488.0, 1743167488.0),
        ("system.load1", 4.37, 4.37),
        ("vendor.unknown", 0.123456789, 0.123456789),
    ],
)
def test_a_reading_keeps_what_it_can_tell(metric: str, value: float, expected: float) -> None:
    assert told(value, digits_of(Series(metric, "system"))) == expected


def test_an_absent_reading_stays_absent() -> None:
    assert isnan(told(nan, 2))
    assert isnan(told(nan, 0))
