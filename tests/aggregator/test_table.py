"""The ring: exact for its time, whatever comes, in bounded memory."""

from collections import deque
from math import isnan, nan

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.aggregator.rings import RingFull, Rings
from services.aggregator.table import RingTable
from tests.aggregator.tables import BOOT_OFFSET_US, CPU, MEMORY, START_US, batch, process


def series_of(table: RingTable, series) -> list[tuple[int, float]]:
    column = table.series.get(series)
    a, b = table.positions(table.first)
    if column is None:
        return []
    pairs = zip(table.times_us[a:b].tolist(), table.values[column, a:b].tolist(), strict=True)
    return [(t, v) for t, v in pairs if not isnan(v)]


@given(batches=st.lists(st.tuples(st.integers(1, 9), st.sets(st.integers(0, 11), min_size=1, max_size=5)), max_size=60))
@settings(max_examples=200, deadline=None)
def test_ring_holds_the_newest_rows_of_every_series(batches) -> None:
    """Against a plain list: tables whose columns come and go, as the process table's do."""
    table: RingTable | None = None
    rows: deque[tuple[int, dict]] = deque()
    t = START_US
    for count, numbers in batches:
        times = [t + 1_000_000 * n for n in range(count)]
        t = times[-1] + 1_000_000
        columns = {process(n): [float(n * 1000 + i) for i in range(count)] for n in sorted(numbers)}
        one = batch(times, columns, rate_hz=1.0, source="process")
        if table is None:
            table = RingTable(one.key, 1.0, seconds=20)
        table.append(one)
        rows.extend((at, {s: v[i] for s, v in columns.items()}) for i, at in enumerate(times))
        kept = list(rows)[-21:]
        assert table.rows == len(kept)
        for number in range(12):
            want = [(at, values[process(number)]) for at, values in kept if process(number) in values]
            assert series_of(table, process(number)) == want
        assert len(table.values) <= 16, "columns that no row held has must be used again"


def test_ring_grows_with_the_rate_and_keeps_its_rows() -> None:
    first = batch([START_US], {CPU: [1.0]}, rate_hz=1.0)
    table = RingTable(first.key, 1.0)
    table.append(first)
    for n in range(1, 400):
        table.append(batch([START_US + n * 16_667], {CPU: [float(n)]}, rate_hz=60.0))
    assert table.rows == 400
    assert [v for _, v in series_of(table, CPU)] == [1.0, *(float(n) for n in range(1, 400))]


def at_hz(rate_hz: float, rows: int, columns: int = 1) -> list:
    """Rows of a source that says 1 Hz, as the gateway's say, and comes faster."""
    values = {process(number): [1.0] for number in range(columns)}
    return [batch([START_US + round(n * 1e6 / rate_hz)], values, rate_hz=1.0) for n in range(rows)]


def held_s(table: RingTable) -> float:
    a, b = table.positions(table.first)
    return float(table.line_us[b - 1] - table.line_us[a]) / 1e6


def test_a_table_that_comes_faster_than_it_says_is_held_five_minutes_all_the_same() -> None:
    rings = Rings()
    for number, one in enumerate(at_hz(20.0, 20 * 400)):
        table = rings.append(one)
        assert held_s(table) >= min(number / 20, 297.0)
    assert table.rate_hz == 1.0
    assert len(table.times_us) < 20 * 300 * 2.6
    a, b = table.between(table.newest_us - 300_000_000, table.newest_us)
    assert b - a == 20 * 300
    assert rings.short == 0


def test_a_table_at_its_own_rate_is_given_no_more() -> None:
    rings = Rings()
    for one in at_hz(1.0, 1000):
        table = rings.append(one)
    assert table.stretched_bytes == 0


def test_faster_than_anything_is_drawn_the_ring_holds_less_than_its_time() -> None:
    rings = Rings()
    for one in at_hz(1000.0, 40_000):
        table = rings.append(one)
    assert table.rows == 60 * 300 + 1
    assert rings.short == 1


def test_tables_that_come_fast_share_what_is_kept_for_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.aggregator.rings.STRETCH_BYTES", 1 << 20)
    rings = Rings()
    for one in at_hz(60.0, 3000, columns=20):
        table = rings.append(one)
    assert table.rows < 3000
    assert 0 < table.stretched_bytes <= 1 << 20


@pytest.mark.parametrize("source", ["system", "process"])
def test_new_columns_take_the_length_of_a_long_ring_before_they_are_refused(source: str) -> None:
    rings = Rings(memory_bytes=1 << 20)
    for one in at_hz(60.0, 2500):
        long = rings.append(one)
    assert long.stretched_bytes > 0
    wide = {process(number): [2.0] for number in range(240)}
    rings.append(batch([START_US + 100_000_000], wide, rate_hz=1.0, source=source))
    assert (long.stretched_bytes, rings.bytes <= 1 << 20) == (0, True)
    newest = [value for _, value in series_of(long, process(0))]
    assert newest == ([1.0] * 301 if source == "process" else [1.0] * 300 + [2.0])


def test_what_is_refused_all_the_same_shortens_no_ring() -> None:
    rings = Rings(memory_bytes=1 << 20)
    for one in at_hz(60.0, 2500):
        long = rings.append(one)
    rows = long.rows
    with pytest.raises(RingFull):
        rings.append(batch([START_US], {process(n): [2.0] for n in range(2000)}, rate_hz=1.0, source="process"))
    assert (long.rows, long.stretched_bytes > 0) == (rows, True)


def test_rows_to_store_are_cut_where_the_columns_change() -> None:
    one = batch([START_US], {CPU: [1.0]})
    table = RingTable(one.key, 10.0)
    table.append(one, stored=True)
    table.append(batch([START_US + 100_000], {CPU: [2.0]}))
    table.append(batch([START_US + 200_000], {CPU: [3.0], MEMORY: [9.0]}))
    a, b = table.positions(table.stored)
    runs = [(table.columns(schema).series, y - x) for schema, x, y in table.runs(a, b)]
    assert runs == [((CPU,), 1), ((CPU, MEMORY), 1)]


def test_unnamed_columns_are_refused() -> None:
    rings = Rings()
    unnamed = batch([START_US], {CPU: [1.0]}, named=False)
    assert not rings.knows(unnamed)
    with pytest.raises(KeyError, match="never spelled out"):
        rings.append(unnamed)
    assert len(rings) == 0
    rings.append(batch([START_US], {CPU: [1.0]}))
    assert rings.knows(unnamed)


def test_memory_is_bounded_and_the_refusal_names_the_table() -> None:
    rings = Rings(memory_bytes=1 << 20)
    rings.append(batch([START_US], {CPU: [1.0]}))
    wide = {process(n): [1.0] for n in range(200)}
    with pytest.raises(RingFull, match="collector/process"):
        rings.append(batch([START_US], wide, source="process"))
    assert rings.bytes <= 1 << 20
    assert [table.key.source for table in rings] == ["system"]


def test_metrics_find_their_tables_and_lose_them() -> None:
    rings = Rings()
    rings.append(batch([START_US], {CPU: [1.0], MEMORY: [nan]}), stored=True)
    assert [t.key.source for t in rings.tables_with("system.cpu.percent")] == ["system"]
    booted = START_US - BOOT_OFFSET_US
    assert rings.drop_silent(booted + 9, silent_us=10) == []
    assert len(rings.drop_silent(booted + 10, silent_us=10)) == 1
    assert rings.tables_with("system.cpu.percent") == []
    assert rings.metrics == []


def test_rows_that_wait_to_be_stored_keep_their_table() -> None:
    rings = Rings()
    rings.append(batch([START_US], {CPU: [1.0]}))
    assert rings.drop_silent(START_US, silent_us=10) == []


def test_another_boot_does_not_move_what_was_before() -> None:
    one = batch([START_US], {CPU: [1.0]}, boot_us=[9_000_000_000])
    table = RingTable(one.key, 10.0)
    table.append(one)
    table.append(batch([START_US + 60_000_000], {CPU: [2.0]}, boot_us=[5_000_000]))
    assert np.diff(table.line_us[:2]).tolist() == [60_000_000]
