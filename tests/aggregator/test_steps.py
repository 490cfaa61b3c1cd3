"""Range steps against the plain oracle."""

from math import nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.statistics import STATISTICS, statistic
from services.aggregator.steps import MAX_STEPS, by_step, step_ends
from tests.aggregator import oracle
from tests.aggregator.tables import START_US


@given(
    rows=st.lists(
        st.tuples(st.sampled_from([0, 1, 7, 1000, 900_000]), st.one_of(st.just(nan), st.integers(0, 9).map(float))),
        max_size=80,
    ),
    step_us=st.sampled_from([1, 50, 1_000, 1_000_000]),
    stat=st.sampled_from(sorted(STATISTICS)),
    before_us=st.integers(0, 3_000),
)
@settings(max_examples=250, deadline=None)
def test_each_step_equals_the_oracle(rows, step_us, stat, before_us) -> None:
    times = (START_US + np.cumsum([gap for gap, _ in rows], dtype=np.int64)) if rows else np.empty(0, np.int64)
    values = np.array([value for _, value in rows], np.float64)
    start = START_US - before_us
    ends = step_ends(start, min(START_US + 4_000_000, start + 150 * step_us), step_us)
    got = by_step(values, times, start, ends, statistic(stat))
    for end, value in zip(ends.tolist(), got.tolist(), strict=True):
        inside = [(t, v) for t, v in zip(times.tolist(), values.tolist(), strict=True) if end - step_us < t <= end]
        assert value == pytest.approx(oracle.of(inside, stat), rel=1e-6, abs=1e-6, nan_ok=True)


def test_a_burst_in_one_step_does_not_widen_the_others() -> None:
    times = np.sort(np.concatenate([START_US + 1_000_000 * np.arange(1, 5_001), START_US + np.arange(1, 500_001)]))
    ends = step_ends(START_US, START_US + 5_000_000_000, 1_000_000)
    got = by_step(np.ones(len(times)), times, START_US, ends, statistic("sum"))
    assert got[0] == 500_001
    assert (got[1:] == 1).all()


def test_too_many_steps_are_refused_with_the_mend() -> None:
    with pytest.raises(ValueError, match="longer step"):
        step_ends(0, (MAX_STEPS + 1) * 1000, 1000)
