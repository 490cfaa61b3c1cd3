"""Readings are told to the resolution of their measurement."""

from math import isnan, nan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.resolution import digits_of, step_of, told, told_row
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


@given(value=st.floats(-1e12, 1e12), digits=st.sampled_from([0, 1, 2, 3]))
def test_a_row_is_told_as_each_of_its_numbers(value: float, digits: int) -> None:
    (found,) = told_row([value], [10.0**digits])
    assert found == told(found, digits), "the very double of that decimal"
    assert abs(found - value) <= 0.5 * 10.0**-digits + abs(value) * 2e-16


def test_what_has_no_resolution_and_what_is_absent_stay_as_they_are_in_a_row() -> None:
    assert step_of(Series("system.load1", "system")) is None
    assert step_of(Series("system.cpu.percent", "system")) == 100.0
    plain, absent = told_row([1 / 3, nan], [None, 100.0])
    assert plain == 1 / 3
    assert isnan(absent)
