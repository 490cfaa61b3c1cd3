"""The live frame: every new row once, numbered, named where names are needed."""

from math import nan

import numpy as np
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, ServiceState
from wfmonitor.v1.process_pb2 import ProcessRow, ProcessTable

from services.aggregator import live
from services.aggregator.live import LiveComposer
from services.aggregator.rings import Rings
from tests.aggregator.tables import CPU, MEMORY, START_US, batch, process


class Stage:
    def __init__(self) -> None:
        self.rings = Rings()
        self.composer = LiveComposer(7, self.rings)

    def comes(self, *args, **kwargs) -> None:
        one = batch(*args, **kwargs)
        self.rings.append(one)
        self.composer.batch(one)


def test_frame_without_news_is_not_made() -> None:
    stage = Stage()
    assert stage.composer.frame(START_US) is None
    assert stage.composer.seq == 0


def test_rows_of_one_table_leave_once_and_in_columns() -> None:
    stage = Stage()
    for n in range(3):
        stage.comes([START_US + n], {CPU: [float(n)], MEMORY: [nan if n == 1 else 50.0]})
    frame = stage.composer.frame(START_US + 9)
    assert frame is not None
    (table,) = frame.tables
    assert list(table.times_us) == [START_US, START_US + 1, START_US + 2]
    np.testing.assert_array_equal(table.values, [0.0, 1.0, 2.0, 50.0, nan, 50.0])
    assert [key.metric for key in table.series] == ["system.cpu.percent", "system.mem.percent"]
    assert stage.composer.frame(START_US + 10) is None


def test_names_come_with_a_new_schema_only() -> None:
    stage = Stage()
    named = []
    for columns in ({CPU: [1.0]}, {CPU: [1.0]}, {CPU: [1.0], MEMORY: [2.0]}, {CPU: [1.0], MEMORY: [2.0]}):
        stage.comes([START_US], columns)
        frame = stage.composer.frame(START_US)
        named.append(len(frame.tables[0].series))
    assert named == [1, 0, 2, 0]


def test_two_schemas_in_one_frame_are_two_tables_of_one_id() -> None:
    stage = Stage()
    stage.comes([START_US], {process(1): [1.0]}, source="process")
    stage.comes([START_US + 1], {process(2): [2.0]}, source="process")
    frame = stage.composer.frame(START_US)
    assert [table.id for table in frame.tables] == [1, 1]
    assert [table.series[0].source for table in frame.tables] == ["process:#1", "process:#2"]


def test_key_frame_names_all_tables_and_repeats_their_newest_row() -> None:
    stage = Stage()
    stage.comes([START_US, START_US + 1], {CPU: [1.0, 2.0]})
    stage.comes([START_US], {process(1): [5.0]}, source="process")
    stage.composer.health(Health(service="collector"))
    stage.composer.processes(ProcessTable(rows=[ProcessRow(number=1)]))
    stage.composer.frame(START_US)
    stage.comes([START_US + 2], {CPU: [3.0]})
    frame = stage.composer.frame(START_US, key=True)
    assert frame.key
    assert frame.seq == 2
    rows = {table.source: (list(table.times_us), list(table.values), len(table.series)) for table in frame.tables}
    assert rows == {"system": ([START_US + 2], [3.0], 1), "process": ([START_US], [5.0], 1)}
    assert frame.health[0].service == "collector"
    assert frame.processes.rows[0].number == 1


def test_the_end_of_an_earlier_life_told_late_hides_nothing() -> None:
    stage = Stage()
    down = ServiceState.SERVICE_STATE_DOWN
    stage.composer.health(Health(service="tap", pid=2, started_us=50, time_us=60))
    stage.composer.health(Health(service="tap", pid=1, state=down, time_us=40))
    assert [health.pid for health in stage.composer.healths] == [2]
    stage.composer.health(Health(service="tap", pid=2, state=down, time_us=70))
    assert [health.state for health in stage.composer.healths] == [down]


def test_events_and_health_leave_with_the_next_frame_alone() -> None:
    stage = Stage()
    stage.composer.event(Event(id="a", kind="restart"))
    stage.composer.health(Health(service="collector", pid=1))
    stage.composer.health(Health(service="collector", pid=2))
    frame = stage.composer.frame(START_US)
    assert [event.id for event in frame.events] == ["a"]
    assert [health.pid for health in frame.health] == [2]
    assert stage.composer.frame(START_US) is None


def test_frame_stays_below_what_the_bus_lets_through(monkeypatch) -> None:
    monkeypatch.setattr(live, "MAX_VALUES", 10)
    stage = Stage()
    for n in range(25):
        stage.comes([START_US + n], {CPU: [float(n)]})
    frames = []
    while (frame := stage.composer.frame(START_US)) is not None:
        frames.append(frame)
    values = [value for frame in frames for table in frame.tables for value in table.values]
    assert values == [float(n) for n in range(25)]
    assert all(sum(len(table.values) for table in frame.tables) <= 11 for frame in frames)


def test_backfill_is_the_ring_in_key_frames_that_the_stream_continues(monkeypatch) -> None:
    monkeypatch.setattr(live, "MAX_VALUES", 40)
    stage = Stage()
    for n in range(100):
        stage.comes([START_US + 100_000 * n], {CPU: [float(n)], **({MEMORY: [1.0]} if n >= 50 else {})})
    stage.composer.frame(START_US)
    frames = list(stage.composer.backfill(6.0, START_US + 9_900_000))
    assert all(frame.key and frame.seq == 1 for frame in frames)
    times = [t for frame in frames for table in frame.tables for t in table.times_us]
    assert times == [START_US + 100_000 * n for n in range(40, 100)]
    assert all(table.series and table.source == "system" for frame in frames for table in frame.tables)
    (newest,) = stage.composer.backfill(0, START_US + 9_900_000)
    assert list(newest.tables[0].values) == [99.0, 1.0]
