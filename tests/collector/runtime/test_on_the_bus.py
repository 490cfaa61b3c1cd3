"""The real collector on a real bus finds a runtime at a port that a person named, reads it, and sees it go."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Mapping

import pytest
import zmq
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.sample_pb2 import SampleBatch
from wfmonitor.v1.settings_service_pb2 import ChangeRequest, ChangeResponse
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

from bus import topics
from bus.clock import boot_us
from bus.rpc import open_channel
from bus.series import from_key
from bus.transport import Publisher
from tests.collector.runtime.standin_runtime import Page, StandIn, never, recorded
from tests.stack import Ear, Stack
from tests.waiting import until

SOURCE = "model:llama3:8b-instruct"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(services=("forwarder", "governance", "collector")) as running:
        yield running


def name_port(stack: Stack, port: int) -> None:
    async def ask() -> None:
        async with open_channel(stack.home, "governance") as channel:
            request = ChangeRequest(
                key="collector.sampler.runtime.ports", value=f'"{port}"', actor="person:test", wait_s=30.0
            )
            response: ChangeResponse = await SettingsServiceStub(channel).Change(request, timeout=60.0)
            assert response.result.applied

    asyncio.run(ask())


def events(messages: list[tuple[str, bytes]], port: int) -> dict[str, Event]:
    """The last of each kind, of the runtime at that port: others may run on this machine."""
    found = (Event.FromString(payload) for topic, payload in messages if topic.startswith(topics.EVENTS))
    return {event.kind: event for event in found if event.attributes.get("port") == str(port)}


def counters(messages: list[tuple[str, bytes]]) -> Mapping[str, float]:
    """Of the last heartbeat."""
    told = [payload for topic, payload in messages if topic == topics.health("collector")]
    return Health.FromString(told[-1]).counters if told else {}


def test_load_gets_its_time_from_the_request_that_waited_for_it(stack: Stack) -> None:
    owner = b'{"object":"list","data":[{"id":"m","owned_by":"organization_owner"}]}'
    pages: dict[str, Page | bytes] = {"/v1/models": owner, "/api/v1/models": b'{"models":[]}'}
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = Publisher(stack.home, context)
    ear = Ear(stack.home, (topics.EVENTS,))
    waited = RequestRecord(id="1", model="google/gemma-4-26b-a4b", runtime="lm-studio", load_ms=1234.0, producer="tap")

    def timed(messages: list[tuple[str, bytes]], port: int) -> bool:
        told = events(messages, port)
        return any(told[kind].attributes.get("load_ms") for kind in ("model_load", "model_load_time") if kind in told)

    try:
        with StandIn(pages, never) as runtime:

            async def asked_and_told() -> bool:
                publisher.send(topics.request(waited.model), waited.SerializeToString())
                with ear.changed:
                    return timed(ear.messages, runtime.port)

            name_port(stack, runtime.port)
            ear.wait_for(lambda messages: "runtime_come" in events(messages, runtime.port), 60.0, "the runtime")
            waited.start_boot_us = boot_us()
            runtime.pages["/api/v1/models"] = Page(recorded("lm_studio_0.4_models.json"))
            asyncio.run(until(asked_and_told))
        ear.wait_for(lambda messages: "runtime_gone" in events(messages, runtime.port), 60.0, "its end")
    finally:
        ear.close()
        publisher.close()
        context.term()


def test_runtime_comes_tells_and_goes(stack: Stack) -> None:
    pages = {
        "/v1/models": b'{"object":"list","data":[{"id":"llama3:8b-instruct","owned_by":"vllm"}]}',
        "/version": b'{"version":"0.11.0"}',
        "/metrics": recorded("vllm_0.11_1.txt").replace(b"Qwen/Qwen3-8B", b"llama3:8b-instruct"),
    }
    ear = Ear(stack.home, (topics.sample(SOURCE), topics.EVENTS, topics.health("collector")))
    try:
        with StandIn(dict(pages), never) as runtime:
            name_port(stack, runtime.port)
            ear.wait_for(lambda messages: "model_info" in events(messages, runtime.port), 60.0, "the model")
            ear.wait_for(lambda messages: any(topic == topics.sample(SOURCE) for topic, _ in messages), 60.0, "a row")
            place = f"runtime_at:{runtime.port}"
            ear.wait_for(lambda messages: place in counters(messages), 60.0, "its port in the heartbeat")
        ear.wait_for(lambda messages: "runtime_gone" in events(messages, runtime.port), 60.0, "its end")
        ear.wait_for(lambda messages: place not in counters(messages), 60.0, "a heartbeat without its port")
        with ear.changed:
            told = events(ear.messages, runtime.port)
            rows = [
                SampleBatch.FromString(payload) for topic, payload in ear.messages if topic == topics.sample(SOURCE)
            ]
    finally:
        ear.close()
    assert told["runtime_come"].attributes["runtime"] == "vllm"
    assert told["model_unload"].source == SOURCE
    named = next(row for row in rows if row.series)
    columns = [str(from_key(key, SOURCE)) for key in named.series]
    values = dict(zip(columns, named.values, strict=True))
    assert values[f"model.tokens_total[runtime=vllm]@{SOURCE}"] == 5000.0
    assert any(not math.isnan(value) for value in values.values())
