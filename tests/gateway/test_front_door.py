"""The gRPC door against the running stack: unary, streams, cancel, deadline, status, trailers, health, reflection."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from wfmonitor.v1 import metrics_service_pb2 as pb
from wfmonitor.v1 import settings_service_pb2 as settings
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

from tests.stack import Stack, wait_until

Metadata = tuple[tuple[str, str], ...]


@pytest.fixture
def metadata(stack: Stack) -> Metadata:
    return (("authorization", f"Bearer {stack.token()}"),)


@pytest.fixture
async def channel(stack: Stack) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{stack.home.ports.grpc}") as opened:
        yield opened


async def test_questions_reach_their_owners(channel: grpc.aio.Channel, metadata: Metadata) -> None:
    series = await MetricsServiceStub(channel).ListSeries(pb.ListSeriesRequest(), metadata=metadata, timeout=30)
    assert any(one.key.metric == "system.cpu.percent" for one in series.series)
    listed = await SettingsServiceStub(channel).ListSettings(
        settings.ListSettingsRequest(prefix="gateway."), metadata=metadata, timeout=30
    )
    assert {one.target for one in listed.settings} == {"gateway"}


async def test_a_stream_flows_and_its_end_reaches_the_owner(channel: grpc.aio.Channel, metadata: Metadata) -> None:
    query = pb.StandingQuery(selector=pb.Selector(metric="system.cpu.percent"), stat="avg", window="1s")
    watch = MetricsServiceStub(channel).Watch(pb.WatchRequest(queries=[query]), metadata=metadata, timeout=30)
    times = []
    async for value in watch:
        times.append(value.time_us)
        if len(times) == 5:
            break
    watch.cancel()
    assert times == sorted(set(times))


async def test_an_error_arrives_in_the_owners_words(channel: grpc.aio.Channel, metadata: Metadata) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await MetricsServiceStub(channel).Describe(
            pb.DescribeRequest(metric="system.cpu.percnt"), metadata=metadata, timeout=30
        )
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "system.cpu.percent" in (caught.value.details() or "")


async def test_a_deadline_is_kept(channel: grpc.aio.Channel, metadata: Metadata) -> None:
    query = pb.StandingQuery(selector=pb.Selector(metric="system.cpu.percent"), stat="avg", window="5m")
    began = time.monotonic()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in MetricsServiceStub(channel).Watch(
            pb.WatchRequest(queries=[query]), metadata=metadata, timeout=0.5
        ):
            pass
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 20.0, "the watch has a value each 2 s for as long as it is asked"


async def test_cancelled_streams_leave_nothing_behind(channel: grpc.aio.Channel, metadata: Metadata) -> None:
    """A hundred watches, each cut after its first value, one after the other: the door's room is given back."""
    query = pb.StandingQuery(selector=pb.Selector(metric="system.cpu.percent"), stat="avg", window="1s")
    stub = MetricsServiceStub(channel)
    for _ in range(10):
        watches = [stub.Watch(pb.WatchRequest(queries=[query]), metadata=metadata, timeout=20) for _ in range(30)]
        firsts = await asyncio.gather(*(watch.read() for watch in watches))
        assert all(first is not grpc.aio.EOF for first in firsts)
        for watch in watches:
            watch.cancel()


async def test_health_says_which_services_serve(channel: grpc.aio.Channel, metadata: Metadata) -> None:
    stub = health_pb2_grpc.HealthStub(channel)
    for service in ("", "wfmonitor.v1.MetricsService", "wfmonitor.v1.SettingsService"):
        watch = stub.Watch(health_pb2.HealthCheckRequest(service=service), metadata=metadata, timeout=30)
        async for answer in watch:
            if answer.status == health_pb2.HealthCheckResponse.SERVING:
                break
        watch.cancel()


async def test_reflection_names_the_services(channel: grpc.aio.Channel, metadata: Metadata) -> None:
    call = reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(
        iter(
            [
                reflection_pb2.ServerReflectionRequest(list_services=""),
                reflection_pb2.ServerReflectionRequest(file_containing_symbol="wfmonitor.v1.MetricsService"),
            ]
        ),
        metadata=metadata,
        timeout=30,
    )
    names, file = [answer async for answer in call]
    found = {service.name for service in names.list_services_response.service}
    assert {"wfmonitor.v1.MetricsService", "wfmonitor.v1.SettingsService", "grpc.health.v1.Health"} <= found
    assert "wfmonitor.v1.ReplayService" not in found
    assert file.file_descriptor_response.file_descriptor_proto


async def asked_until(code: grpc.StatusCode, channel: grpc.aio.Channel, metadata: Metadata) -> str:
    """Asks again and again until a call ends with `code`; returns its details."""
    stub = MetricsServiceStub(channel)
    async with asyncio.timeout(60):
        while True:
            call = stub.ListSeries(pb.ListSeriesRequest(), metadata=metadata, timeout=20)
            if await call.code() is code:
                return await call.details() or ""
            await asyncio.sleep(0.02)  # the door's own line to the owner comes back when it does


async def test_an_owner_that_is_away_is_named(stack: Stack, channel: grpc.aio.Channel, metadata: Metadata) -> None:
    started_us = stack.healths("aggregator")[-1].started_us
    stack.kill("aggregator")
    assert "wfmonitor.v1.MetricsService" in await asked_until(grpc.StatusCode.UNAVAILABLE, channel, metadata)
    await asyncio.to_thread(stack.wait_ready, "aggregator", after_us=started_us + 1)
    await asked_until(grpc.StatusCode.OK, channel, metadata)


@pytest.mark.parametrize("offset", [0, 1])
def test_a_taken_port_names_who_holds_it(offset: int) -> None:
    """Page and gRPC: the gateway says who holds the port, and what to do."""
    stack = Stack()
    stack.prepare()
    port = stack.home.ports.page + offset
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", port))
        holder.listen()
        try:
            stack.start(wait=False)
            wait_until(lambda: "--port-base" in stack.log_tail("gateway"), 60, "the gateway to refuse")
            said = stack.log_tail("gateway")
        finally:
            stack.stop()
            stack.remove()
    assert f"port {port} is held by" in said
    assert f"(pid {os.getpid()})" in said
    assert "Traceback" not in said
