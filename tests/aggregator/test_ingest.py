"""From the bus into the rings: order, pulls, and what is refused."""

import asyncio
from pathlib import Path

import pytest
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, JournalHead
from wfmonitor.v1.sample_pb2 import RateGroup, SampleBatch

from bus.journal.replay import Held
from bus.journal.ring_file import RingFile
from bus.samples import SampleProducer
from bus.series import Series
from services.aggregator.batch import Batch
from services.aggregator.inbox import Lost, Position
from services.aggregator.ingest import Ingest
from services.aggregator.rings import Rings
from tests.aggregator.tables import BOOT_OFFSET_US, CPU, MEMORY, START_US

SECOND = 1_000_000


class Stage:
    """A real producer with its file, an ingest, and a bus that a test may cut."""

    def __init__(self, tmp_path: Path, stored: Position | None = None, rings: Rings | None = None) -> None:
        self.producer = SampleProducer("collector", 100, RingFile(tmp_path / "ring", 8 << 20), self._send)
        self.table = self.producer.table("system", RateGroup.RATE_GROUP_TREND, 1.0)
        self.cut = False
        self.rings = Rings() if rings is None else rings
        self.seen: list[tuple[str, bool]] = []
        self.losses: list[Lost] = []
        self.refusals: list[str] = []
        self.pulls: list[Position] = []
        self.stored_rows = 0
        known = {"collector": stored} if stored else {}
        self.ingest = Ingest(self.rings, known, self._pull, self, self, self._make_room)  # type: ignore[arg-type]

    def _send(self, topic: str, payload: bytes) -> None:
        if self.cut:
            return
        (self.ingest.on_event if "event" in topic else self.ingest.on_sample)(topic, payload)

    async def _pull(self, producer: str, after: Position) -> Held:
        assert producer == "collector"
        self.pulls.append(after)
        return self.producer.held(*after)

    async def _make_room(self) -> bool:
        for table in self.rings:
            assert table.first <= table.stored, "rows were overrun before they were stored"
            self.stored_rows += table.appended - table.stored
            table.stored = table.appended
        return True

    def write(self, n: int, columns: tuple[Series, ...] = (CPU,)) -> None:
        at = START_US + n * SECOND
        self.table.write(columns, [at], [at - BOOT_OFFSET_US], [float(n)] * len(columns))

    def values(self, series: Series = CPU) -> list[float]:
        (table,) = self.rings
        a, b = table.positions(table.first)
        return table.values[table.series[series], a:b].tolist()

    # the watcher
    def rows(self, batch: Batch, *, stored: bool) -> None:
        self.seen.append(("rows", stored))

    def event(self, event: Event, *, stored: bool) -> None:
        self.seen.append((event.kind, stored))

    def lost(self, loss: Lost) -> None:
        self.losses.append(loss)

    def refused(self, batch: Batch, reason: str) -> None:
        self.refusals.append(reason)

    # the log
    def warning(self, text: str, **fields: str) -> None:
        self.refusals.append(fields["reason"])


async def settled(stage: Stage) -> None:
    """Until nothing is asked or waiting any more."""
    while stage.ingest._tasks or stage.ingest._commands:
        await asyncio.gather(*stage.ingest._tasks)
        await asyncio.sleep(0)


async def test_rows_cut_off_are_pulled_with_the_next_one(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    for n in range(10):
        stage.cut = n in (0, 4, 5)
        stage.write(n)
        await settled(stage)
    assert stage.values() == [float(n) for n in range(10)]
    assert stage.ingest.applied == {"collector": (100, 10)}
    assert stage.pulls == [(0, 0), (100, 4)]


async def test_head_in_health_brings_the_last_one(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.write(0)
    await settled(stage)
    stage.cut = True
    stage.write(1)
    stage.ingest.on_health(Health(service="collector", heads=[JournalHead(journal="samples", epoch=100, seq=2)]))
    await settled(stage)
    assert stage.values() == [0.0, 1.0]


async def test_columns_spelled_out_while_we_were_deaf_are_learned(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    for n, columns in enumerate([(CPU,), (CPU, MEMORY), (CPU, MEMORY)]):
        stage.cut = n == 1
        stage.write(n, columns)
        await settled(stage)
    assert stage.values(MEMORY)[1:] == [1.0, 2.0]


async def test_after_a_restart_ring_is_filled_for_five_minutes_and_no_further(tmp_path: Path) -> None:
    stage = Stage(tmp_path, stored=Position(100, 590))
    stage.cut = True
    for n in range(600):
        stage.write(n)
        if n in (100, 595):
            stage.producer.emit(Event(kind=f"at {n}"))
    stage.ingest.meet_again()
    await settled(stage)
    assert stage.values() == [float(n) for n in range(300, 600)]
    (table,) = stage.rings
    assert table.appended - table.stored == 602 - 590 - 1
    assert [seen for seen in stage.seen if seen[0] != "rows"] == [("at 100", True), ("at 595", False)]
    assert stage.losses == []


async def test_what_rings_have_no_room_for_is_counted_and_passed_over(tmp_path: Path) -> None:
    stage = Stage(tmp_path, rings=Rings(memory_bytes=20_000))
    stage.write(0)
    stage.write(1, tuple(Series("system.cpu.core_percent", "system", (("core", str(n)),)) for n in range(50)))
    stage.write(2)
    await settled(stage)
    assert stage.values() == [0.0, 2.0]
    assert stage.ingest.counters["rejected_total"] == 1
    assert "MiB" in stage.refusals[0]
    assert stage.ingest.applied == {"collector": (100, 3)}


@pytest.mark.parametrize(
    ("spoilt", "says"),
    [
        ({"values": []}, "do not fill"),
        ({"boot_us": []}, "boot_us"),
        ({"rate_hz": 0.0}, "rate_hz"),
        ({"rate_hz": float("nan")}, "rate_hz"),
        ({"schema": 5}, "hash"),
        ({"source": ""}, "source"),
    ],
)
async def test_batch_that_contradicts_itself_is_refused_by_field_and_passed_over(tmp_path: Path, spoilt, says) -> None:
    stage = Stage(tmp_path)
    stage.write(0)
    await settled(stage)
    stage.cut = True
    stage.write(1)
    message = SampleBatch.FromString(stage.producer.held(100, 1).rows[0].payload)
    for field, value in spoilt.items():
        if isinstance(value, list):
            message.ClearField(field)
        else:
            setattr(message, field, value)
    stage.ingest.on_sample("1/sample/system/", message.SerializeToString())
    stage.cut = False
    stage.write(2)
    await settled(stage)
    assert stage.values() == [0.0, 2.0]
    assert says in stage.refusals[0]


async def test_message_without_a_place_in_a_sequence_is_rejected(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    with pytest.raises(ValueError, match="epoch and seq"):
        stage.ingest.on_sample("1/sample/system/", SampleBatch(producer="x").SerializeToString())
    assert stage.ingest.counters["batches_total"] == 0


async def test_a_replay_longer_than_a_ring_is_stored_as_it_comes(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.write(0)
    await settled(stage)
    stage.cut = True
    for n in range(1, 1500):  # 25 minutes; the ring holds five
        stage.write(n)
    stage.ingest.on_health(Health(service="collector", heads=[JournalHead(journal="samples", epoch=100, seq=1500)]))
    await settled(stage)
    assert await stage._make_room()
    assert stage.stored_rows == 1500
    assert stage.losses == []
