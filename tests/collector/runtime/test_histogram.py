"""Histograms: quantiles of what was counted in between, against the counted values themselves."""

from __future__ import annotations

import bisect
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.collector.runtime import exposition
from services.collector.runtime.histogram import Histogram, difference, gather, mean, quantile
from tests.collector.runtime.standin_runtime import recorded

BOUNDS = (0.01, 0.1, 0.5, 1.0, 5.0, math.inf)


def of(values: list[float]) -> Histogram:
    return Histogram(BOUNDS, tuple(float(sum(v <= b for v in values)) for b in BOUNDS), sum(values))


VALUES = st.lists(st.floats(0.0, 20.0), max_size=60)


@given(VALUES, VALUES, st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]))
def test_quantile_of_a_difference_lies_in_the_bucket_of_the_true_one(
    before: list[float], since: list[float], q: float
) -> None:
    found = difference(of(before + since), of(before))
    assert found is not None
    told = quantile(found, q)
    if not since:
        assert math.isnan(told)
        assert math.isnan(mean(found))
        return
    true = sorted(since)[math.ceil(q * len(since) - 1e-9) - 1]
    place = bisect.bisect_left(BOUNDS, true)
    if BOUNDS[place] == math.inf:
        assert told == 5.0, "at least the highest bound: more is not known"
    else:
        assert (BOUNDS[place - 1] if place else 0.0) <= told <= BOUNDS[place]
    assert mean(found) == pytest.approx(sum(since) / len(since), abs=1e-6)


def test_restart_between_two_readings_is_no_difference() -> None:
    assert difference(of([0.3]), of([0.3, 0.4])) is None
    assert difference(of([0.3, 6.0, 6.0]), of([0.3, 0.4])) is None, "the total grew, and yet a bucket fell"


def test_changed_bounds_are_no_difference() -> None:
    assert difference(Histogram((1.0, math.inf), (1.0, 2.0), 1.0), Histogram((2.0, math.inf), (1.0, 1.0), 1.0)) is None


def test_engines_are_added_up_and_odd_ones_refused() -> None:
    text = "".join(
        f'h_bucket{{engine="{engine}",le="1.0"}} {n}\nh_bucket{{engine="{engine}",le="+Inf"}} {n + 1}\n'
        f'h_sum{{engine="{engine}"}} 4\n'
        for engine, n in ((0, 2), (1, 5))
    )
    assert gather(exposition.read(text.encode(), ("h",)), "h") == Histogram((1.0, math.inf), (7.0, 9.0), 8.0)
    odd = text + 'h_bucket{engine="2",le="3.0"} 1\nh_bucket{engine="2",le="+Inf"} 1\n'
    assert gather(exposition.read(odd.encode(), ("h",)), "h") is None
    assert gather({}, "h") is None


def test_page_written_while_it_counts_gives_no_falling_buckets() -> None:
    found = difference(Histogram(BOUNDS, (0.0, 3.0, 2.0, 3.0, 3.0, 3.0), 1.0), of([]))
    assert found is not None
    assert found.counts == (0.0, 3.0, 3.0, 3.0, 3.0, 3.0)


def test_old_name_is_found_where_the_new_one_is_not() -> None:
    page = exposition.read(recorded("vllm_0.6_old_names.txt"), ("vllm:",))
    found = gather(page, "vllm:inter_token_latency_seconds", "vllm:time_per_output_token_seconds")
    assert found is not None
    assert found.all == 10.0
