"""What may be written down, and what an event may say for good."""

import pytest
from wfmonitor.v1.event_pb2 import Event, Spike
from wfmonitor.v1.process_pb2 import ProcessRow, ProcessTable
from wfmonitor.v1.sample_pb2 import SeriesKey

from bus.catalogue import catalogue
from bus.series import Series
from bus.settings_catalogue import SettingValue, defaults, profile_values
from services.aggregator.events import EventMemory
from services.aggregator.recording import Recording
from tests.aggregator.tables import CPU, START_US, TICKS, process

FRAMES = Series("ui.fps", "ui:dashboard")
SPEED = Series("model.tps", "model:llama3:8b")
ALL = (CPU, process(3), TICKS, FRAMES, SPEED)


def recording(values: dict[str, SettingValue]) -> Recording:
    def flag(key: str) -> bool:
        return values[key] is True

    return Recording(flag)


def switches(**off: bool) -> Recording:
    return recording(defaults() | {key.replace("__", "."): value for key, value in off.items()})


def spike() -> Event:
    row = ProcessRow(number=3, name="secret-editor", unit="secret.service", cpu_percent=80.0)
    return Event(
        id="s",
        kind="spike",
        time_us=START_US,
        spike=Spike(series=SeriesKey(metric=CPU.metric, source=CPU.source), processes=ProcessTable(rows=[row])),
    )


@pytest.mark.parametrize(
    ("off", "kept"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"recording__enabled": False}, []),
        ({"privacy__record__machine": False}, [3, 4]),
        ({"privacy__record__ui": False}, [0, 1, 2, 4]),
        ({"privacy__record__models": False}, [0, 1, 2, 3]),
    ],
)
def test_each_privacy_class_has_its_switch(off, kept) -> None:
    assert switches(**off).columns(ALL).tolist() == kept


def test_strict_profile_writes_no_metric_of_the_catalogue() -> None:
    strict = recording(defaults() | profile_values("strict"))
    assert [name for name in catalogue() if strict.allows(name)] == []


@pytest.mark.parametrize("kind", ["model_load", "resonance", "profile", "runtime_come"])
def test_what_happens_to_models_is_kept_with_their_switch_alone(kind: str) -> None:
    source = "system" if kind == "runtime_come" else "model:llama3:8b"
    event = Event(id="m", kind=kind, source=source)
    assert switches().event(event) is event
    assert switches(privacy__record__machine=False).event(event) is event
    assert switches(privacy__record__models=False).event(event) is None
    assert switches(recording__enabled=False).event(event) is None


def test_fields_of_other_programs_are_written_with_the_machine() -> None:
    fields = (Series("custom.humidity", "custom:greenhouse"), Series("custom.Not A Field", "custom:greenhouse"))
    assert switches().columns(fields).tolist() == [0]
    assert switches(privacy__record__machine=False).columns(fields).tolist() == []


def test_metric_that_nobody_declared_is_not_written() -> None:
    assert switches().columns((Series("system.nobody_knows", "system"),)).tolist() == []


def test_names_of_processes_leave_a_spike_before_it_is_kept() -> None:
    event = spike()
    kept = switches().event(event)
    assert kept is not None
    assert b"secret" not in kept.SerializeToString()
    assert kept.spike.processes.rows[0].cpu_percent == 80.0
    assert event.spike.processes.rows[0].name == "secret-editor", "what is shown keeps its names"
    assert b"secret" in switches(privacy__record__process_names=True).event(event).SerializeToString()


def test_recording_off_keeps_what_the_monitor_did_but_nothing_measured() -> None:
    off = switches(recording__enabled=False)
    assert off.event(spike()) is None
    restart = Event(id="r", kind="restart")
    assert off.event(restart) is restart
    assert switches(privacy__record__machine=False).event(spike()) is None


async def test_memory_shows_names_where_the_file_has_none() -> None:
    memory = EventMemory(most=2)
    assert memory.take(spike())
    assert not memory.take(spike())
    assert not memory.take(Event(kind="nameless"))

    async def kept(start_us: int, end_us: int, kind: str, limit: int) -> list[Event]:
        without_names = switches().event(spike())
        return [Event(id="old", time_us=START_US - 5), without_names]

    events = await memory.joined(kept, 0, START_US, "", 10)
    assert [event.id for event in events] == ["old", "s"]
    assert events[1].spike.processes.rows[0].name == "secret-editor"
    assert [event.id for event in await memory.joined(kept, 0, START_US, "", 1)] == ["s"]
    for n in range(3):
        memory.take(Event(id=str(n), time_us=START_US + n))
    assert [event.id for event in memory.between(0, START_US + 9)] == ["1", "2"]
