"""Samples a CPU second, over the bus, through the inbox and the rings into durable chunks.

`python -m tests.bench.ingest [--columns 64] [--rows 64] [--samples 4000000]` prints JSON. A real forwarder carries the
messages; the sender and the aggregator's own path (listening.py, ingest.py, rings.py, recorder.py, store.py) run in
one process. Counted is the CPU time of all threads of both processes: encrypting and sending is in it, building the
messages is not. Chunks are committed each ten seconds of sample time, as in service: a hundred rows a column at
10 Hz, which is the dear case, since a compressor's start weighs on few values.
"""

import argparse
import asyncio
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import zmq
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, JournalHead
from wfmonitor.v1.sample_pb2 import RateGroup, SampleBatch

from bus import topics
from bus.home import REPOSITORY, Config, Home
from bus.journal.replay import Held
from bus.listening import Subscriber
from bus.logs import open_log
from bus.series import Series, schema_hash, to_key
from bus.transport import HIGH_WATER_MARK, Publisher
from services.aggregator.batch import Batch
from services.aggregator.inbox import Lost, Position
from services.aggregator.ingest import JOURNAL, Ingest
from services.aggregator.recorder import FLUSH_S, Recorder
from services.aggregator.recording import Recording
from services.aggregator.records import Records
from services.aggregator.rings import Rings
from services.aggregator.store import Store
from tests.bench.harness.accounting import snapshot
from tests.stack import free_port_base
from tests.waiting import until

T0_US = 1_800_000_000_000_000
PRODUCER = "bench"
# The sender waits for the receiver before a high-water mark could drop a message.
AT_ONCE = HIGH_WATER_MARK // 4


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


class Wire:
    """The way over a real forwarder, from a sender to a handler in this process."""

    def __init__(self, home: Home, forwarder: int) -> None:
        self._forwarder = forwarder
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self.send = Publisher(home, self._context).send
        self.subscriber = Subscriber(home, self._context)

    async def open(self) -> None:
        """Returns when a message that is sent is heard."""
        heard = asyncio.Event()
        self.subscriber.subscribe([topics.health(PRODUCER)], lambda *_: heard.set())

        def passes() -> bool:
            self.send(topics.health(PRODUCER), b"")
            return heard.is_set()

        await until(passes)

    @property
    def cpu_s(self) -> float:
        """Of this process, libzmq's threads in it, and of the forwarder."""
        return time.process_time() + sum(cost.cpu_s for cost in snapshot([self._forwarder]).values())

    def close(self) -> None:
        self.subscriber.close()
        self._context.destroy(linger=0)


@contextlib.contextmanager
def wire(folder: Path) -> Iterator[Wire]:
    home = Home(folder)
    home.prepare()
    Config(port_base=free_port_base()).save(home.config_file)
    command = [sys.executable, "-m", "services.forwarder", "--home", str(home.root)]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as forwarder:
        opened = Wire(home, forwarder.pid)
        try:
            yield opened
        finally:
            opened.close()
            forwarder.terminate()


async def measure(columns: int, rows: int, samples: int, rate_hz: float = 10.0) -> dict[str, float]:
    """Samples a CPU second, and where they went; every sample is counted in the file at the end."""
    with tempfile.TemporaryDirectory(prefix="wfb-", dir="/tmp") as name, wire(Path(name) / "home") as bus:
        store = Store(Path(name) / "aggregator.db", quarantine=Path(name) / "quarantine")
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
        taken = 0
        come = asyncio.Event()

        def take(topic: str, payload: bytes) -> None:
            nonlocal taken
            ingest.on_sample(topic, payload)
            taken += 1
            come.set()

        # Before it opens: a subscription made later may reach the forwarder after the samples.
        bus.subscriber.subscribe([topics.sample("system")], take)
        await bus.open()
        cpu_s, wall_s = bus.cpu_s, time.perf_counter()
        flushing_s, sent = 0.0, 0
        at_once = min(batches_a_flush, AT_ONCE)
        for first in range(0, len(batches), at_once):
            for payload in batches[first : first + at_once]:
                bus.send(topics.sample("system"), payload)
                sent += 1
            while taken < sent:
                come.clear()
                async with asyncio.timeout(10.0):
                    await come.wait()
            before_s = time.process_time()
            await recorder.flush()
            flushing_s += time.process_time() - before_s
        cpu_s, wall_s = bus.cpu_s - cpu_s, time.perf_counter() - wall_s
        await ingest.close()
        sent_samples = len(batches) * columns * rows
        stored = store.index.samples
        if stored != sent_samples or store.waiting:
            raise RuntimeError(f"{sent_samples} samples were sent and {stored} are in the file")
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
