"""Tables of what enters at the gateway: their bounds within one message, and the order of time that never locks."""

import math
from typing import Any

import pytest
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.series import Series
from services.aggregator.batch import TableKey
from services.aggregator.table import RingTable
from services.gateway.ingest import Row
from services.gateway.own_tables import LATE_US, MAX_COLUMNS, MAX_SERIES, MAX_SOURCES, Now, OwnTables
from services.gateway.refusal import Refusal
from tests.aggregator.tables import batch

S = 1_000_000
NOW = Now(wall_us=1_795_500_000 * S, boot_us=5_000 * S)
X = "custom:x"
A, B = Series("custom.a", X), Series("custom.b", X)


class Written:
    """A producer, and the table of all its sources, that keeps what is written."""

    def __init__(self) -> None:
        self.sources: list[str] = []
        self.rows: list[tuple[tuple[Series, ...], int, int, list[float]]] = []

    def table(self, source: str, group: int, rate_hz: float, shown_only: bool = False) -> "Written":
        self.sources.append(source)
        return self

    def write(self, columns: Any, times_us: Any, boot_us: Any, values: Any) -> None:
        self.rows.append((columns, *times_us, *boot_us, values))

    @property
    def times_s(self) -> list[float]:
        """By the wall clock, against NOW's."""
        return [(time_us - NOW.wall_us) / S for _, time_us, _, _ in self.rows]


def open_tables() -> tuple[OwnTables, Written]:
    written = Written()
    return OwnTables(written), written


def at(seconds: float, source: str = X, **fields: float) -> Row:
    """A row so many seconds from NOW."""
    values = {Series(f"custom.{name}", source): value for name, value in (fields or {"a": 1.0}).items()}
    return Row(source, NOW.wall_us + round(seconds * S), values)


def later(seconds: float, set_s: float = 0.0) -> Now:
    """So many seconds after NOW, with the wall clock set by `set_s` meanwhile."""
    return Now(NOW.wall_us + round((seconds + set_s) * S), NOW.boot_us + round(seconds * S))


def test_a_column_once_seen_stays_and_is_absent_where_it_did_not_come() -> None:
    tables, written = open_tables()
    tables.write([at(-2, a=1.0, b=2.0), at(-1, a=3.0)], NOW)
    (first, _, _, values), (second, _, _, after) = written.rows
    assert first == second == (A, B)
    assert values == [1.0, 2.0]
    assert after[0] == 3.0
    assert math.isnan(after[1])


def test_the_columns_of_a_list_are_counted_together_and_none_of_it_is_written() -> None:
    tables, written = open_tables()
    events = [at(number / 100 - 1, **{f"f{number}_{field}": 1.0 for field in range(128)}) for number in range(33)]
    with pytest.raises(Refusal, match=f"more than {MAX_COLUMNS} series") as refused:
        tables.write(events, NOW)
    assert refused.value.status == 400
    assert not written.rows
    tables.write(events[:2], NOW)
    assert len(written.rows[-1][0]) == MAX_COLUMNS
    tables.write(events[:1], NOW)


def test_the_sources_of_a_list_are_counted_together_and_none_is_opened() -> None:
    tables, written = open_tables()
    with pytest.raises(Refusal, match=f"{MAX_SOURCES} sources are open") as refused:
        tables.write([at(0, f"custom:{number}") for number in range(MAX_SOURCES + 1)], NOW)
    assert refused.value.status == 429
    assert not written.sources
    tables.write([at(0, f"custom:{number}") for number in range(MAX_SOURCES)], NOW)
    assert len(written.sources) == MAX_SOURCES


def test_the_series_of_all_sources_are_counted_together() -> None:
    tables, written = open_tables()
    fields = {f"f{number}": 1.0 for number in range(128)}
    tables.write([at(0, f"custom:{number}", **fields) for number in range(MAX_SERIES // 128)], NOW)
    with pytest.raises(Refusal, match=f"more than {MAX_SERIES} series") as refused:
        tables.write([at(1, "custom:0", a=1.0)], later(1))
    assert refused.value.status == 429
    tables.write([at(1, "custom:0", **fields)], later(1))
    assert len(written.rows) == MAX_SERIES // 128 + 1


def test_rows_of_readings_that_differ_have_each_their_own_time() -> None:
    tables, written = open_tables()
    tables.write([at(0)], NOW)
    tables.write([at(0)], Now(NOW.wall_us, NOW.boot_us + 40))
    tables.write([at(0)], NOW)
    times_us = [time_us for _, time_us, _, _ in written.rows]
    assert times_us == sorted(set(times_us))


def test_the_page_has_a_table_however_many_sources_are_open() -> None:
    tables, written = open_tables()
    tables.write([at(0, f"custom:{number}") for number in range(MAX_SOURCES)], NOW)
    tables.put("ui:dashboard", {Series("ui.fps", "ui:dashboard"): 60.0}, NOW)
    assert written.sources[-1] == "ui:dashboard"


def test_a_page_beyond_the_most_series_locks_nobody_out() -> None:
    tables, written = open_tables()
    fields = {f"f{number}": 1.0 for number in range(128)}
    tables.write([at(0, f"custom:{number}", **fields) for number in range(MAX_SERIES // 128)], NOW)
    tables.put("ui:dashboard", {Series("ui.fps", "ui:dashboard"): 60.0}, NOW)
    tables.write([at(1, "custom:0", **fields)], later(1))
    assert len(written.rows) == MAX_SERIES // 128 + 2


def test_a_refusal_names_the_event_in_the_list() -> None:
    tables, _ = open_tables()
    tables.write([at(0)], NOW)
    late = Row(X, NOW.wall_us - 60 * S, {A: 1.0}, "[7].")
    with pytest.raises(Refusal) as refused:
        tables.write([at(1), late], later(1))
    assert (refused.value.status, refused.value.what) == (409, "[7].ts")


def test_a_row_without_values_opens_nothing() -> None:
    tables, written = open_tables()
    tables.write([Row(X, NOW.wall_us, {})], NOW)
    assert not written.sources


def test_after_the_wall_clock_was_set_back_a_source_goes_on() -> None:
    tables, written = open_tables()
    tables.write([at(0)], NOW)
    tables.write([at(1 - 3600)], later(1, set_s=-3600))
    tables.write([at(2 - 3600)], later(2, set_s=-3600))
    assert written.times_s == [0.0, 1.0 - 3600, 2.0 - 3600]
    assert [boot_us - NOW.boot_us for _, _, boot_us, _ in written.rows] == [0, 1 * S, 2 * S]


def test_an_event_ahead_counts_as_now_and_locks_nobody_out() -> None:
    tables, written = open_tables()
    tables.write([at(50)], NOW)
    tables.write([at(1)], later(1))
    assert written.times_s == [0.0, 1.0]


def test_two_senders_of_one_source_do_not_collide() -> None:
    tables, written = open_tables()
    for seconds in (0.0, 0.5, 0.4, 0.5, 0.6):
        tables.write([at(seconds)], later(1))
    assert written.times_s == [0.0, 0.5, 0.500001, 0.500002, 0.6]


def test_what_is_late_by_more_than_that_is_refused() -> None:
    tables, written = open_tables()
    tables.write([at(0)], NOW)
    tables.write([at(-LATE_US / S)], NOW)
    with pytest.raises(Refusal, match=r"lies 10\.5 s before the newest event of custom:x"):
        tables.write([at(-LATE_US / S - 0.5)], NOW)
    assert len(written.rows) == 2


def test_no_row_moves_those_before_it_in_the_aggregators_ring() -> None:
    tables, written = open_tables()
    tables.write([at(-5), at(-4, b=2.0)], NOW)
    tables.write([at(50)], NOW)
    tables.write([at(-3)], later(1))
    tables.write([at(2 - 3600)], later(2, set_s=-3600))
    tables.write([at(3 - 3600), at(3 - 3600)], later(3, set_s=-3600))
    ring = RingTable(TableKey("gateway", X, RateGroup.RATE_GROUP_TREND), 1.0)
    for columns, time_us, boot_us, values in written.rows:
        named = {series: [value] for series, value in zip(columns, values, strict=True)}
        ring.append(batch([time_us], named, boot_us=[boot_us], source=X, producer="gateway", rate_hz=1.0))
    a, b = ring.positions(0)
    assert (ring.line_us[a:b] - ring.line_us[b - 1]).tolist() == [
        boot_us - written.rows[-1][2] for _, _, boot_us, _ in written.rows
    ]
