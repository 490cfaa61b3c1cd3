"""Standing queries: computed while somebody listens, on the grid, once the producers have passed it."""

from math import isnan, nan

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from wfmonitor.v1.window_pb2 import WindowValue

from services.aggregator.rings import Rings
from services.aggregator.standing import Query, StandingQueries, TooLong
from tests.aggregator import oracle
from tests.aggregator.tables import BOOT_OFFSET_US, CPU, START_US, batch, process

LAST_SECOND = Query("system.cpu.percent", "avg", "1s")


class Listener:
    def __init__(self, rings: Rings, *queries: Query, now_us: int = START_US) -> None:
        self.standing = StandingQueries(rings)
        self.heard: list[tuple[int, list[float]]] = []
        self.sources: list[str] = []
        for query in queries:
            self.standing.begin(query, now_us)

    def __call__(self, _query: Query, value: WindowValue) -> None:
        self.heard.append((value.time_us, list(value.values)))
        self.sources = [key.source for key in value.series]

    def at(self, now_us: int, offset_us: int = BOOT_OFFSET_US, limit: int = 10_000) -> list[tuple[int, list[float]]]:
        self.heard = []
        while self.standing.due(now_us, offset_us, self, limit):
            pass
        return self.heard


def test_nothing_is_computed_for_nobody() -> None:
    standing = StandingQueries(Rings())
    assert standing.wake_us() is None
    standing.begin(LAST_SECOND, START_US)
    standing.begin(LAST_SECOND, START_US)
    standing.end(LAST_SECOND)
    assert len(standing) == 1
    standing.end(LAST_SECOND)
    assert len(standing) == 0


def test_grid_point_leaves_as_soon_as_the_producer_has_passed_it() -> None:
    rings = Rings()
    listener = Listener(rings, LAST_SECOND)
    rings.append(batch([START_US - 50_000], {CPU: [10.0]}))
    assert listener.at(START_US + 20_000) == []
    rings.append(batch([START_US + 50_000], {CPU: [30.0]}))
    assert listener.at(START_US + 55_000) == [(START_US, [10.0])]


def test_grid_point_waits_no_longer_than_a_quarter_of_a_second() -> None:
    rings = Rings()
    rings.append(batch([START_US - 50_000], {CPU: [10.0]}))
    listener = Listener(rings, LAST_SECOND)
    assert listener.at(START_US + 249_999) == []
    assert listener.at(START_US + 250_000) == [(START_US, [10.0])]


def test_silent_producer_holds_nobody_up() -> None:
    rings = Rings()
    gpu = batch([START_US - 60_000_000], {CPU: [1.0]}, producer="other", source="elsewhere")
    rings.append(gpu)
    rings.append(batch([START_US + 10_000], {CPU: [10.0]}))
    listener = Listener(rings, LAST_SECOND)
    assert listener.at(START_US + 20_000)[0][0] == START_US


def test_one_message_has_a_column_for_each_source() -> None:
    rings = Rings()
    numbers = {process(n): [float(n)] for n in (7, 3)}
    rings.append(batch([START_US], numbers, rate_hz=1.0, source="process"))
    listener = Listener(rings, Query("process.cpu_percent", "last", "10s"))
    assert listener.at(START_US) == [(START_US, [3.0, 7.0])]
    assert listener.sources == ["process:#3", "process:#7"]


def test_series_that_appears_while_listening_gets_a_column() -> None:
    rings = Rings()
    listener = Listener(rings, LAST_SECOND)
    assert listener.at(START_US + 250_000) == [(START_US, [])]
    rings.append(batch([START_US + 90_000], {CPU: [5.0]}))
    assert listener.at(START_US + 350_000) == [(START_US + 100_000, [5.0])]


def test_after_a_pause_of_ours_every_grid_point_is_still_evaluated() -> None:
    rings = Rings()
    listener = Listener(rings, Query("system.cpu.percent", "max", "1s"))
    times = [START_US + 100_000 * n for n in range(100)]
    rings.append(batch(times, {CPU: [float(n) for n in range(100)]}))
    heard = listener.at(times[-1], limit=7)
    assert heard[-1] == (times[-1], [99.0])
    assert listener.at(times[-1]) == []
    fresh = Listener(rings, Query("system.cpu.percent", "max", "1s"))
    assert [g for g, _ in fresh.at(times[-1])] == times


@pytest.mark.parametrize("step_us", [3_600_000_000, -3_600_000_000, 1_234_567, -1_234_567])
def test_grid_goes_on_when_the_wall_clock_is_set(step_us: int) -> None:
    rings = Rings()
    listener = Listener(rings, Query("system.cpu.percent", "count", "1s"))
    seen = []
    for n in range(60):
        step = step_us if n >= 30 else 0
        now = START_US + 100_000 * n + step
        rings.append(batch([now], {CPU: [1.0]}, boot_us=[1_000_000 + 100_000 * n]))
        seen += listener.at(now + 1_000, offset_us=START_US - 1_000_000 + step)
    # About one value a tick, and never fewer samples in the window because of the step.
    assert 58 <= len(seen) <= 61
    assert [value for _, (value,) in seen[12:]] == pytest.approx([10.0] * len(seen[12:]), abs=1)


def test_window_beyond_the_rings_is_refused() -> None:
    standing = StandingQueries(Rings())
    with pytest.raises(TooLong, match="300 s"):
        standing.begin(LAST_SECOND._replace(window="6m"), START_US)
    with pytest.raises(ValueError, match="statistic"):
        standing.begin(LAST_SECOND._replace(stat="median"), START_US)


@given(
    rows=st.lists(st.tuples(st.integers(20_000, 400_000), st.one_of(st.just(nan), st.floats(-9, 9))), min_size=1),
    stat=st.sampled_from(["avg", "p95", "count", "last", "derivative"]),
    lag_us=st.integers(0, 240_000),
)
@settings(max_examples=150, deadline=None)
def test_live_windows_equal_the_oracle_over_all_samples(rows, stat, lag_us) -> None:
    """Whatever the rhythm: each value heard is what somebody computes later from the stored samples."""
    rings = Rings()
    listener = Listener(rings, Query("system.cpu.percent", stat, "1s"))
    samples, heard, t = [], [], START_US
    for gap, value in rows:
        t += gap
        heard += listener.at(t - 1)
        samples.append((t, value))
        rings.append(batch([t], {CPU: [value]}))
        heard += listener.at(t + min(lag_us, 240_000))
    for g, values in heard:
        for value in values:
            want = oracle.window(samples, g, 1_000_000, stat, 10.0)
            assert value == pytest.approx(want, rel=1e-6, abs=1e-6, nan_ok=True), g
    assert len(heard) == len({g for g, _ in heard})
    assert all(not isnan(g) for g, _ in heard)
