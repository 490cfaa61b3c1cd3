"""Reading spans of raw samples out of chunks."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.series import Series
from services.aggregator.raw_query import RawQuery, matches
from tests.aggregator.blocks import CORES, CPU, T0, at, block, named, open_store

GPU = [Series("gpu.power_w", f"gpu:{n}") for n in (1, 10)]


@pytest.mark.parametrize(
    ("series", "selector", "expected"),
    [
        (CPU, named(), True),
        (CPU, named("system.cpu"), False),
        (CPU, named(source="system"), True),
        (CPU, named(source="sys"), False),
        (GPU[1], named("gpu.power_w", "gpu:1"), False),
        (CORES[1], named("system.cpu.core_percent", core="1"), True),
        (CORES[1], named("system.cpu.core_percent", core="2"), False),
        (CORES[1], named("system.cpu.core_percent", device="1"), False),
    ],
)
def test_a_selector_names_metric_source_and_labels(series: Series, selector: object, expected: bool) -> None:
    assert matches(series, selector) is expected  # type: ignore[arg-type]


async def test_the_span_is_open_at_its_start_and_closed_at_its_end(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.write([block(T0, 10), block(T0 + 1_000_000, 10)], at(1))
    query = RawQuery(store)
    [cpu] = await query.read(named(), T0 + 500_000, T0 + 1_200_000)
    assert (cpu.times_us - T0).tolist() == [600_000, 700_000, 800_000, 900_000, 1_000_000, 1_100_000, 1_200_000]
    assert cpu.values.tolist() == [6, 7, 8, 9, 0, 1, 2]
    assert await query.read(named(), T0 + 1_900_000, T0 + 9_000_000) == []
    assert await query.read(named("system.load1"), 0, T0 * 2) == []
    store.close()


async def test_rows_written_after_the_wall_clock_went_back_come_in_order(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.write([block(T0 + 500_000, 10, first=100), block(T0, 10)], at(1))
    [cpu] = await RawQuery(store).read(named(), 0, 2 * T0)
    assert (np.diff(cpu.times_us) >= 0).all()
    assert len(cpu.times_us) == 20
    store.close()


async def test_what_is_handed_out_cannot_change_what_is_handed_out_next(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.write([block(T0, 10)], at(1))
    query = RawQuery(store)
    [first] = await query.read(named(), 0, 2 * T0)
    with pytest.raises(ValueError, match="read-only"):
        first.values[0] = 99
    [second] = await query.read(named(), 0, 2 * T0)
    assert second.values[0] == 0
    store.close()


@pytest.mark.parametrize("cache_bytes", [0, 2_000, 1 << 20])
async def test_answers_do_not_depend_on_the_cache(tmp_path: Path, cache_bytes: int) -> None:
    store = open_store(tmp_path)
    for n in range(20):
        await store.write([block(T0 + n * 10_000_000, 100, first=n)], at(n + 1))
    query = RawQuery(store, cache_bytes)
    for _ in range(3):
        found = await query.read(named("system.cpu.core_percent"), T0 + 5_000_000, T0 + 150_000_000)
        assert [len(one.values) for one in found] == [1450, 1450, 1450]
        assert found[1].values[0] == pytest.approx(51.2)
    store.close()


@settings(max_examples=20, deadline=None)
@given(
    spans=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 40)), min_size=1, max_size=6),
    start=st.integers(-5, 400),
    length=st.integers(0, 200),
)
async def test_any_span_of_any_chunks_is_what_a_plain_search_finds(
    tmp_path_factory: pytest.TempPathFactory, spans: list[tuple[int, int]], start: int, length: int
) -> None:
    store = open_store(tmp_path_factory.mktemp("store"))
    blocks = [block(T0 + first * 100_000, rows, first=first) for first, rows in spans]
    await store.write(blocks, at(1))
    a, b = T0 + start * 100_000, T0 + (start + length) * 100_000
    plain = sorted(
        (int(t), float(v)) for one in blocks for t, v in zip(one.times_us, one.values[0], strict=True) if a < t <= b
    )
    found = await RawQuery(store).read(named(), a, b)
    rows = [(int(t), float(v)) for one in found for t, v in zip(one.times_us, one.values, strict=True)]
    assert sorted(rows) == plain
    assert [t for t, _ in rows] == [t for t, _ in plain]
    store.close()
