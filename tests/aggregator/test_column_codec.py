"""Columns come back bit for bit, whatever they hold."""

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from services.aggregator.column_codec import GAPS, Kind, Unreadable, decode, encode

ROWS = st.integers(1, 300)


def same_bits(a: np.ndarray, b: np.ndarray) -> bool:
    """Equal bit patterns; every NaN counts as the one that means absent."""
    absent = np.isnan(a)
    return bool(np.array_equal(absent, np.isnan(b)) and np.array_equal(a[~absent].view("i8"), b[~absent].view("i8")))


any_floats = hnp.arrays(np.float64, ROWS, elements=st.floats(width=64, allow_nan=True, allow_infinity=True))
few_values = hnp.arrays(np.float64, ROWS, elements=st.sampled_from([0.0, -0.0, 1.0, 4096.0, np.nan, np.inf, 2.0**53]))
integers = hnp.arrays(np.float64, ROWS, elements=st.integers(-(2**54), 2**54).map(float))
percents = hnp.arrays(np.float64, ROWS, elements=st.integers(0, 1000).map(lambda n: n / 10))
decimals = hnp.arrays(np.float64, ROWS, elements=st.decimals(-(10**13), 10**13, places=3).map(float))


@pytest.mark.parametrize("thorough", [False, True])
@given(values=st.one_of(any_floats, few_values, integers, percents, decimals))
def test_any_column_comes_back_bit_for_bit(thorough: bool, values: np.ndarray) -> None:
    kind, body = encode(values, thorough=thorough)
    back = decode(kind, body, len(values))
    assert back.dtype == np.float64
    assert same_bits(values, back)


@given(values=st.one_of(any_floats, few_values), data=st.data())
def test_damaged_bytes_are_an_error_or_a_column_never_a_crash(values: np.ndarray, data: st.DataObject) -> None:
    kind, body = encode(values)
    cut = data.draw(st.integers(0, len(body)))
    rubbish = data.draw(st.binary(max_size=20))
    with contextlib.suppress(Unreadable):
        assert len(decode(kind, body[:cut] + rubbish, len(values))) == len(values)


@pytest.mark.parametrize(
    ("values", "kind", "at_most"),
    [
        ([np.nan] * 1000, Kind.ABSENT, 0),
        ([0.1] * 1000, Kind.CONSTANT, 8),
        ([-0.0] * 1000, Kind.CONSTANT, 8),
        ([4096.0 * (n // 7) for n in range(1000)], Kind.INTEGERS, 250),
        ([n / 10 for n in range(1000)], Kind.THOUSANDTHS, 200),
        ([round(n * 0.123, 3) for n in range(1000)], Kind.THOUSANDTHS, 200),
        ([n / 7 for n in range(1000)], Kind.FLOATS, 8000),
        ([0.5, 0.25], Kind.RAW, 16),
        ([np.nan, *[3.0] * 999], Kind.CONSTANT | GAPS, 40),
    ],
)
def test_the_cheapest_form_is_taken(values: list[float], kind: int, at_most: int) -> None:
    found, body = encode(np.array(values))
    assert found == kind
    assert len(body) <= at_most
    assert same_bits(np.array(values), decode(found, body, len(values)))


def test_minus_zero_among_integers_keeps_its_sign() -> None:
    values = np.array([1.0, -0.0, 2.0, 0.0] * 100)
    kind, body = encode(values)
    assert kind == Kind.FLOATS
    assert np.array_equal(np.signbit(decode(kind, body, 400)), np.signbit(values))


def test_kind_of_a_later_version_is_unreadable() -> None:
    with pytest.raises(Unreadable, match="kind 77"):
        decode(77, b"", 3)
