"""Bytes a sample on disk, and bytes written a second, for an hour of a real machine's series.

`python -m tests.bench.storage [--db FILE] [--hours 1]` prints JSON. It takes rows that the stack recorded (`--db`: the
`data/aggregator.db` of any home; else the recording beside this file, see data/README.md), and hands them to a store
of its own, ten seconds at a time, as the recorder does, with the keeper at work in between: what takes an hour in
service takes a minute here, with the same commits, merges and pages. A recording shorter than asked for goes round.
"""

import argparse
import asyncio
import json
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bus.series import Series
from services.aggregator.batch import Floats, TableKey, Times
from services.aggregator.chunk_form import BOOT, TIMES, decode_column, decode_times
from services.aggregator.chunks import Source
from services.aggregator.keeper import Keeper
from services.aggregator.raw_query import RawQuery
from services.aggregator.recorder import FLUSH_S
from services.aggregator.store import RowBlock, Store
from services.aggregator.tiers import HOUR_US

RECORDING = Path(__file__).parent / "data" / "machine.db"
FLUSH_US = round(FLUSH_S * 1e6)


class Rows(NamedTuple):
    """Rows of one table as they were recorded."""

    key: TableKey
    rate_hz: float
    series: tuple[Series, ...]
    times_us: Times
    boot_us: Times
    values: Floats


def recorded(path: Path) -> list[Rows]:
    """Everything a store's file holds, a chunk and a table at a time."""
    file = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    keys = {
        number: (TableKey(producer, source, group), rate_hz)
        for number, producer, source, group, rate_hz in file.execute(
            "SELECT id, producer, source, rate_group, rate_hz FROM sample_table"
        )
    }
    columns: dict[int, dict[int, Series]] = {}
    for number, table, metric, source, labels in file.execute(
        "SELECT id, table_id, metric, source, labels FROM sample_column"
    ):
        labels = tuple(sorted(json.loads(labels).items()))
        columns.setdefault(table, {})[number] = Series(metric, source, labels)
    found = []
    for head, body in file.execute("SELECT head, body FROM chunk ORDER BY start_us"):
        chunk = Source.of(head, body)
        times_us = decode_times(chunk.head, TIMES, chunk.part(TIMES))
        boot_us = times_us + decode_times(chunk.head, BOOT, chunk.part(BOOT))
        held = set(chunk.head.ids.tolist())
        for table, of_table in columns.items():
            ids = [number for number in of_table if number in held]
            if ids:
                at = [chunk.head.find(number) for number in ids]
                values = np.array([decode_column(chunk.head, column, chunk.part(column)) for column in at])
                there = ~np.isnan(values).all(axis=0)
                series = tuple(of_table[number] for number in ids)
                found.append(Rows(*keys[table], series, times_us[there], boot_us[there], values[:, there]))
    file.close()
    return found


def flushes(rows: Sequence[Rows], hours: float) -> Iterator[tuple[int, list[RowBlock]]]:
    """(end of ten seconds, their rows), over and over until the hours are full."""
    start_us = min(int(one.times_us[0]) for one in rows)
    span_us = (max(int(one.times_us[-1]) for one in rows) - start_us) // FLUSH_US * FLUSH_US
    if span_us < 60 * FLUSH_US:
        raise ValueError(f"the recording has {span_us / 60e6:.1f} minutes; ten are needed for a merge to show")
    begin_us = start_us // HOUR_US * HOUR_US  # on a full hour, so that merges fall as they do in service
    for at_us in range(0, round(hours * HOUR_US), FLUSH_US):
        shift_us = begin_us + at_us // span_us * span_us - start_us
        from_us = start_us + at_us % span_us
        blocks = []
        for one in rows:
            a, b = np.searchsorted(one.times_us, (from_us, from_us + FLUSH_US)).tolist()
            values = one.values[:, a:b]
            there = ~np.isnan(values).all(axis=1)
            if a < b and there.any():
                series = tuple(s for s, held in zip(one.series, there.tolist(), strict=True) if held)
                times_us, boot_us = one.times_us[a:b] + shift_us, one.boot_us[a:b] + shift_us
                blocks.append(RowBlock(one.key, one.rate_hz, series, times_us, boot_us, values[there]))
        yield begin_us + at_us + FLUSH_US, blocks


def _written() -> int:
    """Bytes this process caused to be written to disks, by the kernel's account (proc(5))."""
    lines = Path("/proc/self/io").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith("write_bytes")))


async def _settle(keeper: Keeper, stalls_ms: list[float]) -> None:
    """All that is due; how long the event loop stood still meanwhile, at its worst."""
    done = asyncio.Event()

    async def pulse() -> float:
        longest_s, before_s = 0.0, time.perf_counter()
        while not done.is_set():
            await asyncio.sleep(0.001)
            now_s = time.perf_counter()
            longest_s, before_s = max(longest_s, now_s - before_s), now_s
        return longest_s * 1e3

    pulsing = asyncio.create_task(pulse())
    while await keeper.step():
        pass
    done.set()
    stalls_ms.append(await pulsing)


async def measure(recording: Path, hours: float, folder: Path) -> dict[str, float]:
    """The figures of `hours` of a recording in a store below `folder`, which must be on a real disk."""
    rows = await asyncio.to_thread(recorded, recording)
    now_us = 0
    store = Store(folder / "aggregator.db", quarantine=folder / "quarantine", now_us=lambda: now_us)
    keeper = Keeper(store, now_us=lambda: now_us)
    written, cpu_s, largest = _written(), time.process_time(), 0
    commit_ms: list[float] = []
    stalls_ms: list[float] = []
    for now_us, blocks in flushes(rows, hours):  # noqa: B007 — the clock of store and keeper
        if not await store.write(blocks, {}):
            raise RuntimeError(store.trouble)
        commit_ms.append(store.db.commit_ms)
        await _settle(keeper, stalls_ms)
        largest = max(largest, store.db.file_bytes + store.db.wal_bytes)
    written, cpu_s = _written() - written, time.process_time() - cpu_s
    before = store.db.file_bytes
    now_us += HOUR_US
    await _settle(keeper, stalls_ms)
    await store.read(lambda db: db.execute_sql("PRAGMA wal_checkpoint(TRUNCATE)").fetchall())
    samples, file_bytes = store.index.samples, store.db.file_bytes
    asked = time.perf_counter()
    read = sum(len(one.times_us) for one in await _read_all(store, rows, now_us))
    result = {
        "samples": samples,
        "file_bytes": file_bytes,
        "bytes_per_sample": round(file_bytes / samples, 3),
        "bytes_per_sample_chunks_alone": round(store.index.size / samples, 3),
        "bytes_per_sample_before_the_last_merge": round(before / samples, 3),
        "bytes_per_sample_at_its_largest_with_log": round(largest / samples, 3),
        "written_bytes_s": round(written / (hours * 3600)),
        "cpu_percent_of_a_core": round(100 * cpu_s / (hours * 3600), 3),
        "commit_ms_median": round(float(np.median(commit_ms)), 2),
        "commit_ms_max": round(max(commit_ms), 2),
        "loop_stall_ms_max": round(max(stalls_ms), 2),
        "rows_read_back": read,
        "read_back_s": round(time.perf_counter() - asked, 3),
    }
    store.close()
    return result


async def _read_all(store: Store, rows: Sequence[Rows], end_us: int) -> list[tuple[Series, Times, Floats]]:
    from wfmonitor.v1.metrics_service_pb2 import Selector

    query = RawQuery(store)
    metrics = sorted({series.metric for one in rows for series in one.series})
    return [one for metric in metrics for one in await query.read(Selector(metric=metric), 0, end_us)]


async def record(source: Path, target: Path) -> None:
    """A recording: the rows of a store's file and nothing else of it, merged."""
    rows = await asyncio.to_thread(recorded, source)
    store = Store(target, quarantine=target.parent)
    blocks: dict[tuple[str, int], list[RowBlock]] = {}
    for one in rows:
        hour = int(one.times_us[0]) // HOUR_US
        blocks.setdefault((one.key.producer, hour), []).append(RowBlock(*one))
    for together in blocks.values():
        await store.write(together, {})
    await _settle(Keeper(store), [])
    store.close()
    file = sqlite3.connect(target)
    file.execute("PRAGMA journal_mode = DELETE")  # reading it must leave no log beside it
    file.execute("VACUUM")
    file.close()
    target.with_suffix(".samples").unlink()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--db", type=Path, default=RECORDING, help="a store's file to take the rows from")
    parser.add_argument("--hours", type=float, default=1.0)
    parser.add_argument("--in", dest="folder", type=Path, help="where the store is made; a real disk, not tmpfs")
    parser.add_argument("--record", type=Path, help="write the rows of --db as a recording there, and end")
    chosen = parser.parse_args()
    if chosen.record:
        asyncio.run(record(chosen.db, chosen.record))
        return
    with tempfile.TemporaryDirectory(prefix="wfb-", dir=chosen.folder) as folder:
        print(json.dumps(asyncio.run(measure(chosen.db, chosen.hours, Path(folder))), indent=2))


if __name__ == "__main__":
    main()
