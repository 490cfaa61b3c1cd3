"""What `wfmon up` says while it stays: each event once, each change of a service, nothing while all is well."""

from __future__ import annotations

import pytest
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, ServiceState

from services.cli.foreground import Teller

NOW_US = 1_800_000_000_000_000


def restart(id_: str, time_us: int = NOW_US) -> Event:
    title = "collector ended and is started again"
    return Event(id=id_, kind="restart", time_us=time_us, title=title, attributes={"reason": "killed\x1b[2J"})


def test_event_that_is_told_again_and_again_is_one_line() -> None:
    teller = Teller(NOW_US)
    assert [line[10:] for line in teller.events([restart("a"), restart("a")])] == [
        "collector ended and is started again (killed\\x1b[2J)"
    ]
    assert [*teller.events([restart("a")])] == []
    assert len([*teller.events([restart("a"), restart("b")])]) == 1


def test_events_from_before_and_spikes_are_not_told() -> None:
    teller = Teller(NOW_US)
    assert [*teller.events([restart("a", NOW_US - 1), Event(id="b", kind="spike", time_us=NOW_US)])] == []


@pytest.mark.parametrize(
    ("states", "lines"),
    [
        (["READY", "READY"], []),
        (["STARTING", "READY"], ["collector is starting", "collector is ready"]),
        (["READY", "DOWN", "DOWN", "READY"], ["collector is down", "collector is ready"]),
    ],
)
def test_health_is_told_where_it_changes(states: list[str], lines: list[str]) -> None:
    teller = Teller(NOW_US)
    said = []
    for name in states:
        state = ServiceState.Value(f"SERVICE_STATE_{name}")
        said += [line[10:] for line in teller.healths([Health(service="collector", state=state, time_us=NOW_US)])]
    assert said == lines


def test_door_is_told_when_it_ceases_and_begins_to_answer() -> None:
    teller = Teller(NOW_US)
    said = [line[10:] for answers in (True, False, False, True) for line in teller.door(answers)]
    assert said == ["the gateway does not answer; it is started again", "the gateway answers again"]
