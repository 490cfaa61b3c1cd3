"""The real collector on a real bus: what arrives, how settings reach it, how it ends."""

from __future__ import annotations

import asyncio
import itertools
import math
import signal
from collections.abc import Iterator

import pytest
import zmq
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.process_pb2 import ProcessTable
from wfmonitor.v1.sample_pb2 import RateGroup, SampleBatch
from wfmonitor.v1.settings_service_pb2 import ChangeRequest, ChangeResponse
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

from bus import topics
from bus.clock import wall_us
from bus.rpc import open_channel
from bus.series import from_key
from bus.transport import connected, endpoints
from tests.stack import Ear, Stack, runs, wait_until

PROCESS_RATE = "collector.rate.resource_hz"


@pytest.fixture(scope="module")
def stack() -> Iterator[Stack]:
    with Stack(services=("forwarder", "governance", "collector")) as running:
        yield running


@pytest.fixture
def ear(stack: Stack) -> Iterator[Ear]:
    ear = Ear(stack.home, (topics.SAMPLES, topics.PROCESSES, topics.EVENTS))
    yield ear
    ear.close()


def batches(ear: Ear, source: str, group: RateGroup.ValueType | None = None) -> list[SampleBatch]:
    with ear.changed:
        found = [SampleBatch.FromString(payload) for topic, payload in ear.messages if topic == topics.sample(source)]
    return [batch for batch in found if group is None or batch.group == group]


def change(stack: Stack, key: str, value: str) -> ChangeResponse:
    async def ask() -> ChangeResponse:
        async with open_channel(stack.home, "governance") as channel:
            stub = SettingsServiceStub(channel)
            request = ChangeRequest(key=key, value=value, actor="person:test", wait_s=30.0)
            response: ChangeResponse = await stub.Change(request, timeout=60.0)
            return response

    return asyncio.run(ask())


def test_rows_come_together_on_the_beat_until_somebody_asks_for_them_on_their_tick(stack: Stack) -> None:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    socket = connected(context, zmq.SUB, stack.home, endpoints(stack.home)[1])
    socket.setsockopt(zmq.RCVTIMEO, 15_000)
    socket.subscribe(topics.sample("system").encode())

    def age_s() -> float:
        while True:
            batch = SampleBatch.FromString(socket.recv_multipart()[1])
            if batch.group == RateGroup.RATE_GROUP_RESOURCE:
                return (wall_us() - batch.times_us[-1]) / 1e6

    try:
        wait_until(lambda: age_s() > 0.5, 30.0, "a row that waited for the beat")
        socket.subscribe(topics.PROMPT.encode())
        # Of ten that come together one is 0.9 s old. On a busy machine some may be late all the same.
        wait_until(lambda: max(age_s() for _ in range(10)) < 0.5, 30.0, "ten rows that did not wait for the beat")
    finally:
        socket.close(linger=0)
        context.term()


def test_system_rows_come_ten_times_a_second_with_their_clocks(ear: Ear) -> None:
    def enough(_: object) -> bool:
        rows = batches(ear, "system", RateGroup.RATE_GROUP_RESOURCE)
        return len(rows) >= 30 and any(batch.series for batch in rows)

    ear.wait_for(enough, 60.0, "30 rows of the system, and their columns")
    rows = batches(ear, "system", RateGroup.RATE_GROUP_RESOURCE)
    named = next(batch for batch in rows if batch.series)
    columns = [from_key(key, "system") for key in named.series]
    assert "system.cpu.percent" in {series.metric for series in columns}
    seqs = [batch.seq for batch in rows]
    assert seqs == sorted(set(seqs))
    times_us = [time_us for batch in rows for time_us in batch.times_us]
    periods_s = [(after - before) / 1e6 for before, after in itertools.pairwise(times_us)]
    assert sorted(periods_s)[len(periods_s) // 2] == pytest.approx(0.1, abs=0.02)
    assert all(len(batch.values) == len(columns) for batch in rows if batch.schema == named.schema)
    cpu = columns.index(next(series for series in columns if series.metric == "system.cpu.percent"))
    assert any(not math.isnan(batch.values[cpu]) for batch in rows)


def test_processes_are_shown_by_name_and_recorded_by_number(ear: Ear) -> None:
    ear.wait_for(lambda messages: bool(batches(ear, "process")), 60.0, "a row of processes")
    ear.wait_for(lambda messages: any(topic == topics.PROCESSES for topic, _ in messages), 60.0, "a table of processes")
    with ear.changed:
        table = next(ProcessTable.FromString(payload) for topic, payload in ear.messages if topic == topics.PROCESSES)
    assert table.total > 2
    assert any(row.own and row.name == "wfmon collector" for row in table.rows)
    ear.wait_for(lambda messages: any(batch.series for batch in batches(ear, "process")), 60.0, "its columns")
    sources = {key.source for batch in batches(ear, "process") for key in batch.series}
    assert sources
    assert all(source.startswith("process:#") for source in sources)


def test_own_cost_of_each_service_is_measured(ear: Ear) -> None:
    def all_three(_: object) -> bool:
        sources = {key.source for batch in batches(ear, "monitor") for key in batch.series}
        return sources >= {f"monitor:{service}" for service in ("collector", "governance", "forwarder")}

    ear.wait_for(all_three, 60.0, "the cost of all three services")


def test_rate_and_switch_are_obeyed_live(stack: Stack, ear: Ear) -> None:
    # On a busy machine a reading takes more CPU, and rates fall while the cost is above the budget.
    assert change(stack, "collector.budget_percent", "50.0").result.applied
    assert change(stack, PROCESS_RATE, "20.0").result.applied

    def faster(_: object) -> bool:
        rows = batches(ear, "system", RateGroup.RATE_GROUP_RESOURCE)
        return len(rows) > 10 and all(batch.rate_hz == 20.0 for batch in rows[-5:])

    ear.wait_for(faster, 60.0, "rows at 20 Hz")
    assert change(stack, PROCESS_RATE, "10.0").result.applied
    assert change(stack, "collector.sampler.network.enabled", "false").result.applied

    def without_network(_: object) -> bool:
        rows = [batch for batch in batches(ear, "system", RateGroup.RATE_GROUP_RESOURCE) if batch.series]
        return bool(rows) and not any("net." in key.metric for key in rows[-1].series)

    ear.wait_for(without_network, 60.0, "rows without the network")
    assert change(stack, "collector.sampler.network.enabled", "true").result.applied


def test_inventory_says_what_is_there_and_what_is_not(stack: Stack) -> None:
    def told(messages: list[tuple[str, bytes]]) -> bool:
        return any(topic == topics.event("inventory") for topic, _ in messages)

    late = Ear(stack.home, (topics.EVENTS,))
    try:
        stack.kill("collector")
        late.wait_for(told, 60.0, "the inventory of a new life")
        with late.changed:
            payload = next(payload for topic, payload in late.messages if topic == topics.event("inventory"))
    finally:
        late.close()
    attributes = Event.FromString(payload).attributes
    assert attributes["cpu"] == "there"
    assert all(state.startswith(("there", "absent: ")) for state in attributes.values())


def test_collector_drains_within_two_seconds(stack: Stack) -> None:
    stack.wait_ready("collector")
    pid = stack.kill("collector", signal.SIGTERM)
    wait_until(lambda: not runs(pid), 30, "the collector to stop")
    assert "not drained in time" not in stack.log_tail("collector")
