"""Tokens on the real bus become the model's series, and pass into the live frames."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import grpc
import pytest
import zmq
from wfmonitor.v1.metrics_service_pb2 import ListEventsRequest, ListSeriesRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.request_pb2 import Phase, TokenBurst
from wfmonitor.v1.settings_service_pb2 import ChangeRequest
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

from bus import topics
from bus.clock import boot_us, wall_us
from bus.rpc import open_channel
from bus.transport import Publisher
from tests.aggregator.energy.test_pair import stream, swing
from tests.stack import Stack
from tests.waiting import until

PATIENCE_S = 600.0  # the test's own time limit ends a wait sooner


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


@contextmanager
def in_step(stack: Stack, models: tuple[str, ...]) -> Iterator[None]:
    """Models whose streams swing together, 12 s of them at once and then as time goes on; the times are theirs."""
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = Publisher(stack.home, context)
    done = threading.Event()
    past_us = 12_000_000
    began_us = boot_us() - past_us
    waiting = {model: [round(at * 1e6) for at in stream(swing(30, 3), 200, seed)] for seed, model in enumerate(models)}

    def speak() -> None:
        while not done.wait(0.05):
            for model, arrivals in waiting.items():
                now_us, wall_less_boot_us = boot_us(), wall_us() - boot_us()
                due = [began_us + at for at in arrivals if began_us + at <= now_us]
                del arrivals[: len(due)]
                burst = TokenBurst(
                    producer="test",
                    model=model,
                    request_id=model,
                    times_us=[at + wall_less_boot_us for at in due],
                    boot_us=due,
                    tokens=[1] * len(due),
                    phase=Phase.PHASE_FLOWING,
                )
                publisher.send(topics.token(model), burst.SerializeToString())

    speaker = threading.Thread(target=speak)
    speaker.start()
    try:
        yield
    finally:
        done.set()
        speaker.join()
        publisher.close()
        context.term()


async def test_resonance_of_two_models_begins_and_ends_as_events(stack: Stack) -> None:
    async with open_channel(stack.home, "aggregator") as channel:
        with in_step(stack, ("a/one", "b/other")):
            began = await told(channel, "begin")
            assert await newest(channel, "model.resonance", lambda value: value == 1.0, "model:a/one") == 1.0
            listed = await MetricsServiceStub(channel).ListSeries(ListSeriesRequest(class_or_metric="model.resonance"))
            others = {info.key.source: [(one.name, one.value) for one in info.key.labels] for info in listed.series}
            assert others["model:a/one"] == [("other", "b/other")]
            assert await newest(channel, "model.ensemble_energy", lambda value: value > 0.3, "model:*") <= 1.0
        ended = await told(channel, "end")
    assert began.source == "model:a/one"
    assert began.attributes["other"] == "b/other"
    assert float(began.attributes["r"]) > 0.7
    assert ended.time_us >= began.time_us


async def test_lifetime_energy_lives_through_a_kill_and_the_profile_is_told_and_changed(stack: Stack) -> None:
    async with open_channel(stack.home, "aggregator") as channel, open_channel(stack.home, "governance") as rules:
        with in_step(stack, ("grown/old",)):
            grown = await newest(channel, "model.energy_lifetime", lambda value: value > 5.0, "model:grown/old")
            assert await newest(channel, "model.profile_tps_max", lambda _: True, "model:grown/old") == 20.0
            change = ChangeRequest(key="energy.profile", value='"lite"', actor="person:test", wait_s=10.0)
            answer = await SettingsServiceStub(rules).Change(change, wait_for_ready=True)
            assert answer.result.applied
            assert await newest(channel, "model.profile_tps_max", lambda value: value < 20, "model:grown/old") == 10.0
            assert await newest(channel, "model.profile_stall_ms", lambda _: True, "model:grown/old") == 500.0
        stack.kill("aggregator")
        stack.wait_ready("aggregator", after_us=wall_us())
    async with open_channel(stack.home, "aggregator") as channel:
        with in_step(stack, ("grown/old",)):
            # The ring has the rows of before the kill as well: what counts is one told after it.
            told_us = wall_us()
            after = await newest(channel, "model.energy_lifetime", lambda _: True, "model:grown/old", told_us)
    assert after >= grown


async def told(channel: grpc.aio.Channel, phase: str):  # type: ignore[no-untyped-def]
    """The first event of a resonance with that phase."""
    stub = MetricsServiceStub(channel)

    async def ask():  # type: ignore[no-untyped-def]
        answer = await stub.ListEvents(ListEventsRequest(kind="resonance"), wait_for_ready=True)
        return [event for event in answer.events if event.attributes["phase"] == phase]

    return (await until(ask, PATIENCE_S))[0]


async def newest(
    channel: grpc.aio.Channel, metric: str, wanted, source: str = "model:org/tiny:q4", after_us: int = 0
) -> float:  # type: ignore[no-untyped-def]
    """The newest value of the metric, once it is as wanted; the test's own time limit ends the wait."""
    stub = MetricsServiceStub(channel)

    async def ask() -> list[float]:
        answer = await stub.ListSeries(ListSeriesRequest(class_or_metric=metric), wait_for_ready=True)
        of = (info for info in answer.series if info.key.source == source and info.newest_us > after_us)
        return [info.newest for info in of if wanted(info.newest)]

    return (await until(ask, PATIENCE_S))[0]
