"""What the bus tells the tap: records of probes are kept like its own, once; costs find their records."""

from __future__ import annotations

import json
from collections.abc import Iterator

import grpc
import pytest
import zmq
from google.protobuf.message import Message
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1.control_pb2 import ControlChange
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord

from bus import topics
from bus.clock import boot_us, wall_us
from bus.settings_mirror import SettingsMirror
from bus.transport import Publisher
from services.tap.api import terms_of
from tests.stack import Ear
from tests.tap.conftest import Runtime, Tapped, set_value
from tests.waiting import until


class Bus:
    """Says things on the bus, as the gateway and the aggregator do."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher

    def say(self, topic: str, message: Message) -> None:
        self._publisher.send(topic, message.SerializeToString())


@pytest.fixture
def bus(tapped: Tapped) -> Iterator[Bus]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = Publisher(tapped.stack.home, context)
    yield Bus(publisher)
    publisher.close()
    context.term()


def told(number: int) -> RequestRecord:
    return RequestRecord(
        id=f"{wall_us():016x}-{number}", model="own/model", producer="sdk", start_us=wall_us(), start_boot_us=boot_us(),
        e2e_ms=100.0, output_tokens=5, token_source="sdk", finish_reason="stop",
    )  # fmt: skip


async def kept(tapped: Tapped, id_: str) -> RequestRecord | None:
    try:
        found: RequestRecord = await tapped.requests().GetRequest(pb.GetRequestRequest(id=id_), timeout=30)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.NOT_FOUND:
            raise
        return None
    return found


async def test_a_probes_record_is_kept_once_and_not_told_again(tapped: Tapped, bus: Bus) -> None:
    ear = Ear(tapped.stack.home, (topics.REQUESTS, topics.HEALTHS))
    record = told(1)

    async def is_kept() -> bool:
        # The first messages of a new voice may find nobody subscribed yet.
        bus.say(topics.request(record.model), record)
        return await kept(tapped, record.id) is not None

    await until(is_kept, 30)
    found = await kept(tapped, record.id)
    assert found is not None
    assert (found.route, found.producer, found.output_tokens) == ("probe", "sdk", 5)
    listed = await tapped.requests().ListRequests(pb.ListRequestsRequest(model="own/model", limit=10), timeout=30)
    assert [one.id for one in listed.requests].count(record.id) == 1
    await tapped.read("/v1/chat/completions")
    own = (await tapped.record()).id
    ear.wait_for(
        lambda heard: any(RequestRecord.FromString(p).id == own for t, p in heard if t.startswith(topics.REQUESTS)),
        10,
        "our own record",
    )
    with ear.changed:
        heard = [RequestRecord.FromString(p) for t, p in ear.messages if t.startswith(topics.REQUESTS)]
    ear.close()
    assert all(one.route == "" for one in heard if one.id == record.id), "what the tap would say has its route"


async def test_a_cost_reaches_the_record_in_the_list(tapped: Tapped, bus: Bus) -> None:
    await tapped.read("/v1/chat/completions", tokens=3)
    id_ = (await tapped.record()).id
    cost = RequestCost(id=id_, model="m", joules=42.0, joules_attribution="measured", energy_mean=0.7)

    async def has_cost() -> bool:
        bus.say(topics.request_cost("m"), cost)
        found = await kept(tapped, id_)
        return found is not None and found.HasField("joules")

    await until(has_cost, 30)
    found = await kept(tapped, id_)
    assert found is not None
    assert (found.joules, found.joules_attribution, found.energy_mean) == (42.0, "measured", 0.7)
    assert found.output_tokens == 3


def test_the_list_says_by_what_requests_are_judged() -> None:
    settings = SettingsMirror()

    def set_all(*values: float | str) -> None:
        keys = ("targets.ttft_ms", "targets.tpot_ms", "energy.tariff_per_kwh", "energy.currency")
        for key, value in zip(keys, values, strict=True):
            settings.apply(ControlChange(key=key, value=json.dumps(value)), "tap")

    set_all(0.0, 0.0, 0.0, "EUR")
    assert terms_of(settings) == pb.Terms(), "without a tariff there is no money, whatever its currency"
    set_all(250.0, 0.0, 0.3, "EUR")
    assert terms_of(settings) == pb.Terms(target_ttft_ms=250.0, tariff_per_kwh=0.3, currency="EUR")


async def test_with_recording_off_a_probes_record_is_not_kept(tapped: Tapped, bus: Bus) -> None:
    before, after = told(3), told(4)
    ear = Ear(tapped.stack.home, (topics.REQUESTS,))
    set_value(tapped.stack, "privacy.record.requests", False)
    try:

        async def is_heard() -> bool:
            bus.say(topics.request(before.model), before)
            with ear.changed:
                return bool(ear.messages)

        await until(is_heard, 30)
    finally:
        # The forwarder passes on in the order of arrival: the tap has what we heard before this change.
        set_value(tapped.stack, "privacy.record.requests", True)
        ear.close()

    async def is_kept() -> bool:
        bus.say(topics.request(after.model), after)
        return await kept(tapped, after.id) is not None

    await until(is_kept, 30)
    assert await kept(tapped, before.id) is None


async def test_a_cost_that_comes_before_its_record_waits_for_it(tapped: Tapped, bus: Bus) -> None:
    record, marker = told(5), told(6)
    cost = RequestCost(id=record.id, model=record.model, joules=3.0, joules_attribution="shared")

    async def marked() -> bool:
        bus.say(topics.request_cost(record.model), cost)
        bus.say(topics.request(marker.model), marker)
        return await kept(tapped, marker.id) is not None

    await until(marked, 30)  # the tap hears us, the cost first of all

    async def has_cost() -> bool:
        found = await kept(tapped, record.id)
        return found is not None and found.joules == 3.0

    bus.say(topics.request(record.model), record)
    await until(has_cost, 30)


async def test_runtimes_at_unusual_ports_are_led_to_by_the_collectors_word_and_by_the_setting(
    tapped: Tapped, bus: Bus
) -> None:
    other = Runtime()

    async def leads_there(said: Health) -> bool:
        bus.say(topics.health("collector"), said)
        routes = (await tapped.requests().ListRoutes(pb.ListRoutesRequest(), timeout=30)).routes
        return any(route.found and route.upstream == other.url for route in routes)

    async def leads_elsewhere(said: Health) -> bool:
        return not await leads_there(said)

    here, nothing = Health(service="collector", counters={f"runtime_at:{other.port}": 1.0}), Health(service="collector")
    try:
        set_value(tapped.stack, "tap.find", True)
        await until(lambda: leads_there(here))
        await until(lambda: leads_elsewhere(nothing))
        set_value(tapped.stack, "collector.sampler.runtime.ports", f"{other.port}, none")
        await until(lambda: leads_there(nothing))
    finally:
        set_value(tapped.stack, "collector.sampler.runtime.ports", "")
        set_value(tapped.stack, "tap.find", False)
        other.kill()
