"""What a producer publishes and what Replay gives back."""

import math
from pathlib import Path

import pytest
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.sample_pb2 import RateGroup, SampleBatch

from bus import topics
from bus.journal.ring_file import RingFile
from bus.samples import SampleProducer
from bus.series import Series, from_key

CPU = Series("system.cpu.percent", "system")
LOAD = Series("system.load1", "system")


def producer(tmp_path: Path, epoch: int = 100) -> tuple[SampleProducer, list[tuple[str, bytes]]]:
    sent: list[tuple[str, bytes]] = []
    ring = RingFile(tmp_path / "ring", 65536)
    return SampleProducer("collector", epoch, ring, lambda topic, payload: sent.append((topic, payload))), sent


def test_rows_and_events_share_one_sequence(tmp_path: Path) -> None:
    samples, sent = producer(tmp_path)
    table = samples.table("system", RateGroup.RATE_GROUP_RESOURCE, 10.0)
    table.write((CPU, LOAD), [1, 2], [1, 2], [10.0, 11.0, math.nan, 0.5])
    samples.emit(Event(kind="spike"))
    batch = SampleBatch.FromString(sent[0][1])
    assert (sent[0][0], batch.epoch, batch.seq) == (topics.sample("system"), 100, 1)
    assert [from_key(key, batch.source) for key in batch.series] == [CPU, LOAD]
    assert Event.FromString(sent[1][1]).seq == 2
    assert samples.heads == {100: 2}


def test_the_series_are_named_again_only_when_they_change_or_after_a_while(tmp_path: Path) -> None:
    samples, sent = producer(tmp_path)
    table = samples.table("system", RateGroup.RATE_GROUP_RESOURCE, 10.0)
    for columns in [(CPU,), (CPU,), (CPU, LOAD), (CPU, LOAD)]:
        table.write(columns, [1], [1], [0.0] * len(columns))
    assert [len(SampleBatch.FromString(payload).series) for _, payload in sent] == [1, 0, 2, 0]


def test_replay_names_the_series_of_its_first_batch(tmp_path: Path) -> None:
    samples, _ = producer(tmp_path)
    table = samples.table("system", RateGroup.RATE_GROUP_RESOURCE, 10.0)
    for moment in range(1, 5):
        table.write((CPU,), [moment], [moment], [float(moment)])
    held = samples.held(100, 2)
    batches = [SampleBatch.FromString(row.payload) for row in held.rows]
    assert [batch.seq for batch in batches] == [3, 4]
    assert [len(batch.series) for batch in batches] == [1, 0]
    assert held.oldest == (100, 1)


def test_columns_are_named_though_the_batch_that_named_them_has_gone(tmp_path: Path) -> None:
    first, _ = producer(tmp_path)
    table = first.table("system", RateGroup.RATE_GROUP_RESOURCE, 10.0)
    while first.heads != {100: 2000}:
        table._named_at_s = math.inf if first.heads.get(100, 0) < 1990 else -math.inf
        table.write((CPU,), [1], [1], [1.0])
    second, _ = producer(tmp_path, epoch=200)
    rows = [SampleBatch.FromString(row.payload) for row in second.held(0, 0).rows]
    assert rows[0].seq > 1
    assert rows[0].series


def test_each_table_is_named_in_a_replay_though_two_have_the_same_columns(tmp_path: Path) -> None:
    samples, _ = producer(tmp_path)
    for group in (RateGroup.RATE_GROUP_RESOURCE, RateGroup.RATE_GROUP_TREND):
        samples.table("system", group, 1.0).write((CPU,), [1], [1], [1.0])
    assert [len(SampleBatch.FromString(row.payload).series) for row in samples.held(0, 0).rows] == [1, 1]
    third = samples.table("system", RateGroup.RATE_GROUP_RENDER, 1.0)
    for _ in range(2):
        third.write((CPU,), [1], [1], [1.0])
    assert [len(SampleBatch.FromString(row.payload).series) for row in samples.held(100, 3).rows] == [1]


def test_the_next_life_still_answers_for_the_last_one(tmp_path: Path) -> None:
    first, _ = producer(tmp_path)
    table = first.table("system", RateGroup.RATE_GROUP_RESOURCE, 10.0)
    table.write((CPU,), [1], [1], [1.0])
    table.write((CPU,), [2], [2], [2.0])
    second, _ = producer(tmp_path, epoch=50)  # the wall clock was set back
    assert second.epoch == 101
    rows = second.held(100, 1).rows
    assert [(row.epoch, row.seq) for row in rows] == [(100, 2)]
    assert len(SampleBatch.FromString(rows[0].payload).series) == 1


def test_a_batch_of_the_wrong_shape_is_refused(tmp_path: Path) -> None:
    samples, _ = producer(tmp_path)
    with pytest.raises(ValueError, match="3 values for 2 columns and 1 rows"):
        samples.table("system", RateGroup.RATE_GROUP_TREND, 1.0).write((CPU, LOAD), [1], [1], [1.0, 2.0, 3.0])
