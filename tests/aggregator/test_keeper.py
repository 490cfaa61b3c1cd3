"""Merging, cutting and giving pages back, on a real file."""

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bus.series import Series
from services.aggregator.chunk_form import Chunk
from services.aggregator.chunk_index import ChunkRef
from services.aggregator.keeper import Keeper
from services.aggregator.raw_query import RawQuery
from services.aggregator.store import Loss, RowBlock, Store
from services.aggregator.store_schema import ChunkRow
from services.aggregator.tiers import Limits
from tests.aggregator.blocks import CORES, CPU, HOUR_US, SYSTEM, T0, at, block, named, open_store, samples

END = T0 + 100 * HOUR_US


def wave(n: int, rows: int = 100) -> RowBlock:
    """Ten seconds of rows number n, of numbers that compress as a real machine's do."""
    random = np.random.default_rng(n)
    values = np.round(random.normal(50, 20, size=(4, rows)), 1)
    return block(T0 + n * rows * 100_000, rows)._replace(values=values)


async def settle(keeper: Keeper) -> None:
    while await keeper.step():
        pass


async def test_an_hour_ends_up_in_one_chunk_and_no_bit_changes(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    now = [T0]
    keeper = Keeper(store, now_us=lambda: now[0])
    blocks = [wave(n) for n in range(400)]
    for n, one in enumerate(blocks):
        await store.write([one], at(n + 1))
        now[0] = int(one.times_us[-1])
        await settle(keeper)
    now[0] += HOUR_US
    await settle(keeper)
    assert sorted((ref.level, ref.rows) for ref in store.index) == [(2, 4000), (2, 36_000)]
    assert store.index.samples == samples(blocks)
    [cpu] = await RawQuery(store).read(named(), 0, END)
    assert np.array_equal(cpu.values, np.concatenate([one.values[0] for one in blocks]))
    assert np.array_equal(cpu.times_us, np.concatenate([one.times_us for one in blocks]))
    store.close()
    store = open_store(tmp_path)
    assert store.index.samples == samples(blocks)
    assert store.db.file_bytes < 1.15 * store.index.size + 300_000  # merged chunks gave their pages back
    store.close()


async def test_queries_never_miss_a_row_while_chunks_move(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    blocks = [wave(n) for n in range(360)]
    for n, one in enumerate(blocks):
        await store.write([one], at(n + 1))
    keeper = Keeper(store, now_us=lambda: T0 + 2 * HOUR_US)
    merging = asyncio.create_task(settle(keeper))
    asked = 0
    while not merging.done():
        [cpu] = await RawQuery(store).read(named(), T0, END)
        assert len(cpu.times_us) == 35_999  # (start, end]: the row at the start is out
        asked += 1
    await merging
    assert asked > 3
    assert keeper.merges == 7
    store.close()


async def test_age_and_budget_cut_the_oldest_without_calling_it_a_loss(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    blocks = [wave(n) for n in range(360)]
    for n, one in enumerate(blocks):
        await store.write([one], at(n + 1))
    keeper = Keeper(store, limits=Limits(raw_max_age_h=0.5), now_us=lambda: T0 + HOUR_US)
    await settle(keeper)
    assert store.index.oldest_us >= T0 + HOUR_US // 2 - 10_000_000
    assert keeper.cut_samples == samples(blocks) - store.index.samples > 0
    keeper.limits = Limits(budget_bytes=4 * (store.index.size // 2))
    before = store.index.size
    await settle(keeper)
    assert store.index.size <= before // 2
    assert store.lost_samples == 0
    [cpu] = await RawQuery(store).read(named(), 0, END)
    assert cpu.times_us[-1] == blocks[-1].times_us[-1]
    store.close()


async def damage(store: Store, ref: ChunkRef) -> None:
    """Flip the last bit of a chunk, as a disk may."""

    def flip(_: object) -> None:
        row = ChunkRow.get_by_id(ref.id)
        body = bytes(row.body)
        ChunkRow.update(body=body[:-1] + bytes([body[-1] ^ 1])).where(ChunkRow.id == ref.id).execute()

    await store.run(flip)


@pytest.mark.parametrize("found_by", ["merge", "query"])
async def test_a_damaged_chunk_is_dropped_and_counted_to_the_sample(tmp_path: Path, found_by: str) -> None:
    store = open_store(tmp_path)
    for n in range(60):
        await store.write([wave(n)], at(n + 1))
    bad = next(ref for ref in store.index if ref.start_us == T0 + 30 * 10_000_000)
    await damage(store, bad)
    last = [column for column in store.dictionary.columns_of(CORES[2].metric) if column.series == CORES[2]]
    assert last  # the damage lies in the last column
    if found_by == "merge":
        await settle(Keeper(store, now_us=lambda: T0 + HOUR_US))
    else:
        await RawQuery(store).read(named(CORES[2].metric, core="2"), 0, END)
    assert store.lost_samples == bad.samples == 400
    assert await store.losses() == [Loss("unreadable", str(SYSTEM), 400)]
    [cpu] = await RawQuery(store).read(named(), 0, END)
    assert len(cpu.values) == 5900
    store.close()
    store = open_store(tmp_path)
    assert store.lost_samples == 400
    store.close()


async def test_a_merge_that_lost_the_race_with_a_cut_changes_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    for n in range(3):
        await store.write([wave(n)], at(n + 1))
    refs = sorted(store.index, key=lambda ref: ref.id)
    await store.remove(refs[:1])
    assert not await store.replace(refs, 1, Chunk(b"", b"", 1, 1, T0, T0))
    assert sorted(ref.id for ref in store.index) == [ref.id for ref in refs[1:]]
    store.close()


async def test_a_table_whose_columns_come_and_go_is_merged_whole(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    key = replace(SYSTEM, source="process", group=3)
    for n in range(60):
        series = [CPU, CORES[n % 3]]
        await store.write([block(T0 + n * 10_000_000, 10, series=series, period_us=1_000_000, key=key)], {})
    await settle(Keeper(store, now_us=lambda: T0 + HOUR_US))
    assert [ref.level for ref in store.index] == [1]
    found = await RawQuery(store).read(named(CORES[0].metric), 0, END)
    assert [int(np.count_nonzero(~np.isnan(one.values))) for one in found] == [200, 200, 200]
    store.close()


async def test_rows_of_changing_columns_make_one_chunk_a_flush(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    rows = [block(T0 + n * 1_000_000, 1, series=[CPU, CORES[n % 3]], first=n) for n in range(10)]
    await store.write(rows, at(10))
    assert [(ref.rows, ref.samples) for ref in store.index] == [(10, 20)]
    [cpu] = await RawQuery(store).read(named(), 0, END)
    assert cpu.values.tolist() == list(range(10))
    store.close()


async def test_tables_of_one_producer_on_one_clock_share_their_chunks(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    gpu = [Series("gpu.power_w", "gpu:0")]
    other = replace(SYSTEM, source="gpu:0")
    apart = replace(SYSTEM, source="storage")
    for n in range(3):
        start_us = T0 + n * 10_000_000
        late = block(start_us + 300_000, 97, series=gpu, key=other)  # its first rows are missing
        own = block(start_us + 50_000, 100, series=[Series("storage.db_bytes", "storage")], key=apart)
        await store.write([block(start_us, 100), late, own], at(n + 1))
    assert sorted(ref.rows for ref in store.index) == [100] * 6
    assert {table.line for table in store.dictionary.tables} == {1, 3}
    await settle(Keeper(store, now_us=lambda: T0 + HOUR_US))
    assert sorted((ref.rows, ref.samples) for ref in store.index) == [(300, 300), (300, 1491)]
    [power] = await RawQuery(store).read(named("gpu.power_w"), 0, END)
    assert np.count_nonzero(~np.isnan(power.values)) == 291
    store.close()
    store = open_store(tmp_path)
    assert {table.line for table in store.dictionary.tables} == {1, 3}
    [power] = await RawQuery(store).read(named("gpu.power_w", "gpu:0"), 0, END)
    assert np.count_nonzero(~np.isnan(power.values)) == 291
    store.close()
