"""Chunks and cursors go to the file together, through kills, full disks and broken files."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bus.ballast import Ballast
from bus.database import DiskFull, Quarantined
from bus.series import Series
from services.aggregator.keeper import NO_ROOM_US, Keeper
from services.aggregator.raw_query import RawQuery
from services.aggregator.store import Loss, RowBlock, Store
from tests.aggregator.blocks import CORES, CPU, HOUR_US, SYSTEM, T0, at, block, named, open_store, samples

ROOT = Path(__file__).resolve().parents[2]
END = T0 + 1000 * HOUR_US


async def rows_of_cpu(store: Store) -> int:
    found = await RawQuery(store).read(named(), 0, 2 * END)
    return sum(len(one.times_us) for one in found)


async def test_what_is_written_is_there_after_a_restart_with_its_cursor(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    assert store.cursors == {}
    assert await store.write([block(T0, 100)], at(5))
    assert store.cursors == at(5)
    store.close()
    store = open_store(tmp_path)
    assert store.cursors == at(5)
    [cpu] = await RawQuery(store).read(named(), 0, END)
    assert cpu.series == CPU
    assert np.array_equal(cpu.times_us, block(T0, 100).times_us)
    assert np.array_equal(cpu.values, np.arange(100.0))
    assert [table.rate_hz for table in store.dictionary.tables] == [10.0]
    store.close()


async def test_a_cursor_never_goes_back(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.write([], at(9, epoch=2))
    await store.write([], at(50, epoch=1))
    assert store.cursors == at(9, epoch=2)
    store.close()


async def test_series_keep_their_number_when_columns_come_and_go(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    await store.write([block(T0, 10, series=[CORES[0], CORES[1]])], {})
    await store.write([block(T0 + 1_000_000, 10, series=[CORES[2], CORES[0]])], {})
    found = await RawQuery(store).read(named("system.cpu.core_percent"), 0, END)
    assert [(one.series, len(one.times_us)) for one in found] == [(CORES[0], 20), (CORES[1], 10), (CORES[2], 10)]
    [core] = await RawQuery(store).read(named("system.cpu.core_percent", core="2"), 0, END)
    assert core.values[0] == 0.0
    store.close()


async def test_losses_are_counted_across_restarts(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.lost("gap", "collector", 12)
    store.lost("gap", "collector", 3)
    assert await store.losses() == [Loss("gap", "collector", 15)]
    await store.retry()
    store.close()
    store = open_store(tmp_path)
    store.lost("gap", "collector", 1)
    assert store.lost_samples == 16
    assert await store.losses() == [Loss("gap", "collector", 16)]
    store.close()


async def test_a_file_that_is_broken_while_in_use_is_counted_and_replaced(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    told: list[Quarantined] = []
    store.on_quarantine = told.append
    blocks = [block(T0 + n * 60_000_000, 600, first=n * np.pi) for n in range(60)]
    for n, one in enumerate(blocks):
        await store.write([one], at(n))
    await store.read(lambda db: db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    await store.read(lambda db: db.execute_sql("PRAGMA shrink_memory").fetchall())
    with store.db.path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(store.db.file_bytes - 4096))
    started = time.monotonic()
    while not told:
        await store.write([block(END, 10)], at(70))
        assert time.monotonic() - started < 5
    assert told[0].path.exists()
    assert store.lost_samples >= samples(blocks)
    # The dictionary and the cursor went into the fresh file: it can be read by itself.
    await store.write([block(END + 10_000_000, 10)], at(71))
    store.close()
    store = open_store(tmp_path)
    assert store.cursors == at(71)
    kept = await rows_of_cpu(store)
    assert kept >= 10
    assert store.lost_samples + store.index.samples >= samples(blocks) + 20 * 4
    store.close()


@pytest.mark.parametrize("damage", ["header", "all"])
async def test_what_a_file_held_that_is_broken_at_the_start_is_counted(tmp_path: Path, damage: str) -> None:
    store = open_store(tmp_path)
    blocks = [noise(n) for n in range(5)]
    for n, one in enumerate(blocks):
        await store.write([one], at(n + 1))
    store.close()
    if damage == "all":
        store.db.path.write_bytes(os.urandom(100_000))
    else:
        with store.db.path.open("r+b") as file:
            file.write(os.urandom(100))
    store = open_store(tmp_path)
    assert store.quarantined is not None
    assert store.lost_samples == samples(blocks)
    assert await store.write([noise(9)], at(9))
    store.close()
    store = open_store(tmp_path)
    assert store.quarantined is None
    assert await store.losses() == [Loss("quarantined", quarantined_name(tmp_path), samples(blocks))]
    store.close()


def quarantined_name(folder: Path) -> str:
    [kept] = (folder / "quarantine").glob("*.db")
    return kept.name


def test_a_broken_file_at_the_start_is_told_and_replaced_within_5_s(tmp_path: Path) -> None:
    (tmp_path / "aggregator.db").write_bytes(b"no database at all " * 1000)
    started = time.monotonic()
    store = open_store(tmp_path)
    assert time.monotonic() - started < 5
    assert store.quarantined is not None
    assert store.quarantined.path.read_bytes().startswith(b"no database")
    assert store.cursors == {}
    store.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MiB where this user may mount one."""
    where = tmp_path / "disk"
    where.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "none", str(where)]
    mounted = subprocess.run(command, capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr}")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def noise(n: int, rows: int = 1000) -> RowBlock:
    """Rows that nothing compresses: 32 kB a thousand."""
    random = np.random.default_rng(n)
    return block(T0 + n * rows * 100_000, rows)._replace(values=random.normal(size=(4, rows)))


def fill(folder: Path) -> Path:
    """Take all the room there is."""
    with (folder / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(bytes(4096))
        except OSError:
            return folder / "filler"


async def test_small_disk_keeps_the_newest_and_counts_the_rest_exactly(small_disk: Path) -> None:
    store = open_store(small_disk, reserve_bytes=3 << 20)
    blocks = [noise(n) for n in range(300)]  # 9.6 MB
    for n, one in enumerate(blocks):
        assert await store.write([one], at(n + 1))
    assert store.tight
    assert store.db.full_errors == 0
    assert store.index.size > 1 << 20
    assert {loss.reason for loss in await store.losses()} == {"disk_full"}
    assert sum(loss.samples for loss in await store.losses()) == store.lost_samples
    assert store.index.samples + store.lost_samples == samples(blocks)
    [cpu] = await RawQuery(store).read(named(), 0, END)
    kept = np.concatenate([one.values[0] for one in blocks])[-len(cpu.values) :]
    assert np.array_equal(cpu.values, kept)
    store.close()


async def test_full_disk_recovers_within_5_s_of_room(small_disk: Path) -> None:
    store = open_store(small_disk)
    await store.write([block(T0, 10)], at(1))
    filler = fill(small_disk)
    blocks = [noise(n, 3000) for n in range(1, 6)]
    written = [await store.write([one], at(n + 2)) for n, one in enumerate(blocks)]
    assert not any(written)
    assert "Free some space" in store.trouble
    assert store.cursors == at(1)
    assert await rows_of_cpu(store) >= 15_000  # what waits is answered all the same
    filler.unlink()
    started = time.monotonic()
    assert await store.retry()
    assert time.monotonic() - started < 5
    assert store.trouble == ""
    assert store.cursors == at(6)
    assert store.index.samples + store.lost_samples == samples(blocks) + 40
    kept = await rows_of_cpu(store)
    store.close()
    store = open_store(small_disk)
    assert store.cursors == at(6)
    assert await rows_of_cpu(store) == kept >= 15_000
    assert store.index.samples + store.lost_samples == samples(blocks) + 40
    store.close()


async def test_ballast_gives_room_to_go_on_when_others_filled_the_disk(small_disk: Path) -> None:
    ballast = Ballast(small_disk / "ballast", 1 << 20)
    ballast.path.write_bytes(bytes(1 << 20))
    store = open_store(small_disk, reserve_bytes=2 << 20, ballast=ballast)
    blocks = [noise(n) for n in range(100)]
    for n, one in enumerate(blocks):
        if n == 40:
            fill(small_disk)
        assert await store.write([one], at(n + 1)), store.trouble
    assert not ballast.held
    assert store.index.samples + store.lost_samples == samples(blocks)
    store.close()


async def test_what_waits_takes_bounded_memory_and_the_rest_is_counted(small_disk: Path) -> None:
    store = open_store(small_disk, waiting_bytes=200_000)
    filler = fill(small_disk)
    blocks = [noise(n) for n in range(30)]
    for n, one in enumerate(blocks):
        assert not await store.write([one], at(n + 1))
    assert sum(ref.size for ref in store.index if ref.waiting) <= 200_000
    filler.unlink()
    assert await store.retry()
    assert store.index.samples + store.lost_samples == samples(blocks)
    assert sum(loss.samples for loss in await store.losses()) == store.lost_samples > 0
    store.close()


async def test_a_merge_without_room_waits_a_minute_and_loses_nothing(small_disk: Path) -> None:
    store = open_store(small_disk, reserve_bytes=0)
    cores = [Series("system.cpu.core_percent", "system", (("core", str(n)),)) for n in range(20)]
    random = np.random.default_rng(1)
    blocks = [
        block(T0 + n * 10_000_000, 100, series=cores)._replace(values=random.normal(size=(20, 100))) for n in range(60)
    ]  # 960 kB: more than the log has room for
    for n, one in enumerate(blocks):
        assert await store.write([one], at(n + 1))
    filler = fill(small_disk)
    now_us = [T0 + HOUR_US]
    keeper = Keeper(store, now_us=lambda: now_us[0])
    with pytest.raises(DiskFull):
        await keeper.step()
    while await keeper.step():
        pass
    assert keeper.merges == 0
    assert store.index.samples == samples(blocks)
    filler.unlink()
    now_us[0] += NO_ROOM_US
    while await keeper.step():
        pass
    assert keeper.merges == 2  # into ten minutes, and these into the hour
    [core] = await RawQuery(store).read(named(cores[0].metric, core="0"), 0, END)
    assert np.array_equal(core.values, np.concatenate([one.values[0] for one in blocks]))
    store.close()


WRITER = """
import asyncio, sys
from pathlib import Path
from services.aggregator.keeper import Keeper
from tests.aggregator.blocks import T0, at, block, open_store
async def main():
    store = open_store(Path(sys.argv[1]))
    seq = store.cursors["collector"].seq if store.cursors else 0
    keeper = Keeper(store, now_us=lambda: T0 + (seq + 100) * 60_000_000)
    while True:
        # Batch n holds row n alone, a minute apart: rows and cursor must agree to the row.
        seq += 1
        await store.write([block(T0 + seq * 60_000_000, 1, first=float(seq))], at(seq))
        if seq % 7 == 0:
            await keeper.step()
        print(seq, flush=True)
asyncio.run(main())
"""


def run_and_kill(folder: Path, seconds: float) -> int:
    """The last batch a writer said is committed before it was killed."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'proto'}"},
    )
    assert child.stdout is not None
    said = int(child.stdout.readline())
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        said = int(child.stdout.readline())
    child.kill()
    said = max([said, *(int(line) for line in child.stdout if line.endswith("\n"))])
    child.wait()
    return said


@pytest.mark.parametrize("round_number", [0, 1, 2, *(pytest.param(n, marks=pytest.mark.long) for n in range(3, 8))])
async def test_kill_9_at_any_point_keeps_rows_and_cursor_in_step(tmp_path: Path, round_number: int) -> None:
    random = np.random.default_rng(round_number)
    for _ in range(3):
        said = run_and_kill(tmp_path, float(random.uniform(0.01, 0.4)))
        store = open_store(tmp_path)
        assert store.quarantined is None
        reached = store.cursors["collector"].seq
        assert reached >= said
        [cpu] = await RawQuery(store).read(named(), 0, END)
        assert np.array_equal(cpu.values, np.arange(1.0, reached + 1))
        assert store.index.samples == reached * 4
        store.close()


async def test_tables_of_one_series_are_read_as_one(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    other = replace(SYSTEM, group=3)
    await store.write([block(T0 + 1_000_000, 10), block(T0, 10, key=other)], {})
    [cpu] = await RawQuery(store).read(named(), 0, END)
    assert len(cpu.times_us) == 20
    assert (np.diff(cpu.times_us) > 0).all()
    store.close()
