"""A program's generation on the real stack: from the probe's call to the series of its model."""

import asyncio
import threading
from collections.abc import Iterator

import grpc
import pytest
from wfmonitor.v1.metrics_service_pb2 import ListSeriesRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.request_pb2 import RequestRecord, TokenBurst
from wfmonitor.v1.requests_service_pb2 import ListRequestsRequest
from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub
from wirthforge_probe import Probe

from bus import topics
from bus.rpc import open_channel
from tests.stack import Ear, Stack

MODEL = "org/own:q4"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack() as started:
        yield started


async def newest(channel: grpc.aio.Channel, metric: str) -> float:
    """The newest value of the model's metric, once there is one above 0; the test's own time limit ends the wait."""
    stub = MetricsServiceStub(channel)
    while True:
        answer = await stub.ListSeries(ListSeriesRequest(class_or_metric=metric), wait_for_ready=True)
        for info in answer.series:
            if info.key.source == f"model:{MODEL}" and info.newest > 0:
                return float(info.newest)


async def test_a_generation_of_the_probe_is_measured_by_the_stack(stack: Stack) -> None:
    ear = Ear(stack.home, (topics.TOKENS, topics.REQUESTS))
    probe = Probe(home=stack.home.root)
    done = threading.Event()

    def generate() -> None:
        with probe.generation(MODEL, runtime="transformers", vocabulary=32000) as answer:
            while not done.wait(0.05):
                answer.token(topk=[0.6, 0.3, 0.05, 0.01])
            answer.finish("stop")
        probe.task(MODEL, 0.75)

    speaker = threading.Thread(target=generate)
    speaker.start()
    try:
        async with open_channel(stack.home, "aggregator") as channel:
            tps = await newest(channel, "model.tps")
            energy = await newest(channel, "model.energy")
            certainty = await newest(channel, "model.certainty")
            done.set()
            score = await newest(channel, "model.accuracy_proxy")
        ear.wait_for(lambda heard: any(topic.startswith(topics.REQUESTS) for topic, _ in heard), 60, "the record")
    finally:
        done.set()
        speaker.join()
        probe.close()
        ear.close()
    assert 0 < tps <= 25
    assert 0 < energy <= 1
    assert 0 < certainty < 1
    assert score == 0.75
    assert (probe.dropped, probe.trouble) == (0, None)
    bursts = [TokenBurst.FromString(told) for topic, told in ear.messages if topic == topics.token(MODEL)]
    (record,) = [RequestRecord.FromString(told) for topic, told in ear.messages if topic == topics.request(MODEL)]
    assert {burst.producer for burst in bursts} == {"sdk"} == {record.producer}
    # What was told before this ear heard anything is not in `bursts`.
    assert 0 < sum(sum(burst.tokens) for burst in bursts) <= record.output_tokens
    # The caller's clock all the way: gaps are those of its own pauses, whenever the messages came.
    times_us = [time_us for burst in bursts for time_us in burst.boot_us]
    assert times_us == sorted(times_us)
    assert record.finish_reason == "stop"
    async with open_channel(stack.home, "tap") as channel:
        kept = await kept_with_its_mean(channel, record.id)
    assert (kept.route, kept.producer, kept.output_tokens) == ("probe", "sdk", record.output_tokens)
    assert 0 < kept.energy_mean <= 1


async def kept_with_its_mean(channel: grpc.aio.Channel, id_: str) -> RequestRecord:
    """The one record of this id in the tap's log, once the aggregator has told its mean E(t)."""
    stub = RequestsServiceStub(channel)
    while True:
        answer = await stub.ListRequests(ListRequestsRequest(model=MODEL), wait_for_ready=True)
        found = [record for record in answer.requests if record.id == id_]
        assert len(found) <= 1
        if found and found[0].HasField("energy_mean"):
            return RequestRecord.FromString(found[0].SerializeToString())
        await asyncio.sleep(0.05)
