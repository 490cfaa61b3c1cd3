"""Tokens on the real bus become the model's series, and pass into the live frames."""

import threading

import grpc
import pytest
import zmq
from wfmonitor.v1.metrics_service_pb2 import ListSeriesRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from bus import topics
from bus.clock import boot_us, wall_us
from bus.rpc import open_channel
from bus.transport import Publisher
from tests.stack import Stack


@pytest.fixture(scope="module")
def stack():  # type: ignore[no-untyped-def]
    with Stack() as started:
        yield started


async def test_a_stream_of_tokens_is_measured(stack: Stack) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = Publisher(stack.home, context)
    done = threading.Event()

    def speak() -> None:
        while not done.wait(0.05):
            burst = TokenBurst(
                producer="test",
                model="org/tiny:q4",
                request_id="r",
                times_us=[wall_us()],
                boot_us=[boot_us()],
                tokens=[1],
                phase=Phase.PHASE_FLOWING,
            )
            publisher.send(topics.token(burst.model), burst.SerializeToString())

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        async with open_channel(stack.home, "aggregator") as channel:
            tps = await newest(channel, "model.tps", lambda value: value > 5)
            energy = await newest(channel, "model.energy", lambda value: value > 0.3)
    finally:
        done.set()
        speaker.join()
        publisher.close()
        context.term()
    assert tps < 25
    assert energy <= 1.0


async def newest(channel: grpc.aio.Channel, metric: str, wanted) -> float:  # type: ignore[no-untyped-def]
    """The newest value of the model's metric, once it is as wanted; the test's own time limit ends the wait."""
    stub = MetricsServiceStub(channel)
    while True:
        answer = await stub.ListSeries(ListSeriesRequest(class_or_metric=metric), wait_for_ready=True)
        for info in answer.series:
            if info.key.source == "model:org/tiny:q4" and wanted(info.newest):
                return float(info.newest)
