"""Messages as JSON: names of the schema, numbers as numbers, absent values as null."""

import json
import math

from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, ServiceState
from wfmonitor.v1.live_pb2 import LiveFrame

from bus.plain import to_plain
from services.gateway.encoding import encode


def test_absent_values_are_null_and_large_integers_are_numbers() -> None:
    frame = LiveFrame(epoch=1_795_502_386_866_652, seq=3)
    frame.tables.add(id=1, schema=2**63 + 1, times_us=[5], values=[math.nan])
    plain = json.loads(encode(to_plain(frame)))
    assert plain["epoch"] == 1_795_502_386_866_652
    assert plain["tables"][0]["values"] == [None]
    assert plain["tables"][0]["schema"] == 2**63 + 1
    assert plain["tables"][0]["times_us"] == [5]


def test_names_are_those_of_the_schema_and_enumerations_are_names() -> None:
    health = Health(service="collector", state=ServiceState.SERVICE_STATE_READY, counters={"drops_total": 2.0})
    plain = to_plain(health)
    assert plain["state"] == "SERVICE_STATE_READY"
    assert plain["counters"] == {"drops_total": 2.0}
    assert plain["started_us"] == 0


def test_a_message_that_is_not_set_is_left_out() -> None:
    assert "spike" not in to_plain(Event(id="x"))
    event = Event(id="x", attributes={"a": "b"})
    event.spike.value = 3.0
    assert to_plain(event)["spike"]["value"] == 3.0
    assert to_plain(event)["attributes"] == {"a": "b"}
