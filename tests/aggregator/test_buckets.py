"""A statistic a step, against the plain one of one step after the other."""

from math import nan

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.aggregator.buckets import by_step
from services.aggregator.statistics import STATISTICS, statistic
from tests.aggregator import oracle

VALUES = st.one_of(st.just(nan), st.floats(-1e6, 1e6), st.integers(0, 5).map(float))


@pytest.mark.parametrize("stat", STATISTICS)
@given(
    rows=st.lists(st.tuples(st.integers(0, 2_000), VALUES), max_size=60, unique_by=lambda row: row[0]),
    start=st.integers(-100, 1_000),
    step=st.integers(1, 700),
    steps=st.integers(1, 30),
)
def test_steps_agree_with_the_oracle(
    stat: str, rows: list[tuple[int, float]], start: int, step: int, steps: int
) -> None:
    rows.sort()
    times = np.array([t for t, _ in rows], np.int64)
    found = by_step(times, np.array([v for _, v in rows], float), start, step, steps, statistic(stat))
    for k, value in enumerate(found.tolist()):
        inside = [(t, v) for t, v in rows if start + k * step < t <= start + (k + 1) * step]
        assert value == pytest.approx(oracle.of(inside, stat), rel=1e-6, abs=1e-6, nan_ok=True)


def test_a_lone_burst_in_a_long_span_takes_no_rectangle() -> None:
    times = np.concatenate([np.arange(100_000), np.arange(1, 1000) * 10_000_000]).astype(np.int64)
    values = np.ones(len(times))
    found = by_step(times, values, -1, 1_000_000, 10_000, statistic("count"))
    assert found[0] == 100_000
    assert np.nansum(found) == len(times)
