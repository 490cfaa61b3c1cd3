"""Samples a CPU second, from the message of the bus through the inbox and the rings into durable chunks.

`python -m tests.bench.ingest [--columns 64] [--rows 64] [--samples 4000000]` prints JSON. It runs the aggregator's own
path (ingest.py, rings.py, recorder.py, store.py) in one process and counts the CPU time of all its threads. Chunks
are committed each ten seconds of sample time, as in service: a hundred rows a column at 10 Hz, which is the dear
case, since a compressor's start weighs on few values.
"""

import argparse
import asyncio
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, JournalHead
from wfmonitor.v1.sample_pb2 import RateGroup, SampleBatch

from bus.journal.replay import Held
from bus.logs import open_log
from bus.series import Series, schema_hash, to_key
from services.aggregator.batch import Batch
from services.aggregator.inbox import Lost, Position
from services.aggregator.ingest import JOURNAL, Ingest
from services.aggregator.recorder import FLUSH_S, Recorder
from services.aggregator.recording import Recording
from services.aggregator.records import Records
from services.aggregator.rings import Rings
from services.aggregator.store import Store
from tests.waiting import until

T0_US = 1_800_000_000_000_000
PRODUCER = "bench"


class Nobody:
    """No page and no rule looks on: what it costs to show is another figure."""

    def rows(self, batch: Batch, *, stored: bool) -> None: ...
    def event(self, event: Event, *, stored: bool) -> None: ...
    def lost(self, loss: Lost) -> None: ...


async def _nothing_before(producer: str, after: Position) -> Held:
    """What the producer answers before it says its first row."""
    return Held([], (1, 1))


def messages(columns: int, rows: int, rate_hz: float, count: int) -> Iterator[bytes]:
    """Batches as they come over the bus: percents that wander, told to a hundredth."""
    random = np.random.default_rng(1)
    series = [Series("system.cpu.core_percent", "system", (("core", str(n)),)) for n in range(columns)]
    keys = [to_key(one, "system") for one in series]
    period_us = 1e6 / rate_hz
    level = random.uniform(10, 90, columns)
    for number in range(count):
        steps = np.cumsum(random.normal(0, 1, (columns, rows)), axis=1)
        values = np.round(np.clip(level[:, None] + steps, 0, 100), 2)
        level = values[:, -1]
        first = number * rows
        times = T0_US + ((first + np.arange(rows)) * period_us).astype(np.int64) + random.integers(0, 200, rows)
        yield SampleBatch(
            producer=PRODUCER,
            epoch=1,
            seq=number + 1,
            source="system",
            group=RateGroup.RATE_GROUP_RESOURCE,
            rate_hz=rate_hz,
            schema=schema_hash(series),
            series=keys if number % 50 == 0 else [],
            times_us=times.tolist(),
            boot_us=(times - T0_US).tolist(),
            values=values.ravel().tolist(),
        ).SerializeToString()


async def measure(columns: int, rows: int, samples: int, rate_hz: float = 10.0) -> dict[str, float]:
    """Samples a CPU second, and where they went; every sample is counted in the file at the end."""
    with tempfile.TemporaryDirectory(prefix="wfb-") as folder:
        store = Store(Path(folder) / "aggregator.db", quarantine=Path(folder) / "quarantine")
        rings = Rings()
        ingest = Ingest(rings, {}, _nothing_before, Nobody(), open_log("bench"), lambda: recorder.flush())
        recorder = Recorder(
            rings, Recording(lambda _: True), store, Records(store), lambda: ingest.applied, open_log("bench")
        )
        batches = list(messages(columns, rows, rate_hz, max(1, samples // (columns * rows))))
        batches_a_flush = max(1, round(FLUSH_S * rate_hz / rows))
        # Met and asked before its rows come: what was said before an answer that does not hold it counts as foreign.
        ingest.on_health(Health(service=PRODUCER, heads=[JournalHead(journal=JOURNAL, epoch=1)]))
        await until(lambda: not ingest.behind)
        cpu_s, wall_s = time.process_time(), time.perf_counter()
        flushing_s = 0.0
        for number, payload in enumerate(batches, 1):
            ingest.on_sample("", payload)
            if number % batches_a_flush == 0 or number == len(batches):
                before_s = time.process_time()
                await recorder.flush()
                flushing_s += time.process_time() - before_s
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - wall_s
        await ingest.close()
        sent = len(batches) * columns * rows
        stored = store.index.samples
        if stored != sent or store.waiting:
            raise RuntimeError(f"{sent} samples were sent and {stored} are in the file")
        result = {
            "samples": stored,
            "samples_per_cpu_s": round(stored / cpu_s),
            "samples_per_s": round(stored / wall_s),
            "cpu_share_of_chunks": round(flushing_s / cpu_s, 3),
            "bytes_per_sample_unmerged": round(store.index.size / stored, 3),
            "columns": columns,
            "rows_a_batch": rows,
        }
        store.close()
        return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--columns", type=int, default=64)
    parser.add_argument("--rows", type=int, default=64, help="rows a batch")
    parser.add_argument("--samples", type=int, default=4_000_000)
    parser.add_argument("--rate-hz", type=float, default=10.0)
    chosen = parser.parse_args()
    print(json.dumps(asyncio.run(measure(chosen.columns, chosen.rows, chosen.samples, chosen.rate_hz)), indent=2))


if __name__ == "__main__":
    main()
