"""The aggregator as a process, among real ones."""

import asyncio
import itertools
import random
import signal
from itertools import pairwise

import grpc
import numpy as np
import pytest
from wfmonitor.v1 import metrics_service_pb2 as pb
from wfmonitor.v1.live_pb2 import LiveFrame
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.sample_pb2 import Label, SampleBatch
from wfmonitor.v1.settings_service_pb2 import ChangeRequest
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub
from wfmonitor.v1.window_pb2 import WindowValue

from bus import topics
from bus.clock import wall_us
from bus.journal.replay import pull
from bus.rpc import open_channel
from bus.transport import HIGH_WATER_MARK
from services.aggregator.recorder import FLUSH_S
from tests.aggregator import quick_aggregator
from tests.aggregator import room as rooms
from tests.aggregator.room import PATIENCE_S, Room
from tests.stack import Ear


async def published(room: Room, metric: str) -> list[float]:
    """Every value of a metric that lies in the producer's file, in its order."""
    channel = open_channel(room.home, "counting")
    await asyncio.wait_for(channel.channel_ready(), PATIENCE_S)
    held = await pull(channel, "samples", 0, 0)
    await channel.close(None)
    values, names = [], {}
    for row in held.rows:
        if row.topic.startswith("1/sample/"):
            batch = SampleBatch.FromString(row.payload)
            if batch.series:
                names[batch.schema] = [key.metric for key in batch.series]
            if metric in names[batch.schema]:
                values.append(batch.values[names[batch.schema].index(metric)])
    return values


@pytest.mark.long
@pytest.mark.parametrize(
    ("aggregator", "flush_s"),
    [("tests.aggregator.quick_aggregator", quick_aggregator.FLUSH_S), ("services.aggregator", FLUSH_S)],
)
async def test_kill_9_of_both_sides_loses_and_doubles_nothing(
    aggregator: str, flush_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some kills at random, with two flushes in between: what was published is there once."""
    rng = random.Random(1)
    monkeypatch.setitem(rooms.MODULES, "aggregator", aggregator)
    async with Room() as room:
        loop = asyncio.get_running_loop()
        begun_s = loop.time()
        kills = {"aggregator": 0, "counting": 0}
        while loop.time() - begun_s < 2.4 * flush_s + 4:
            await asyncio.sleep(rng.uniform(0.03 * flush_s, 0.4 * flush_s + 1))
            victim = rng.choice(["aggregator", "aggregator", "counting"])
            room.kill(victim)
            kills[victim] += 1
        for metric in ("system.load1", "system.load15"):
            wanted = await published(room, metric)

            async def arrived(metric: str = metric, last: float = wanted[-1]) -> bool:
                return any(value == last for _, value in await room.rows(metric))

            await room.until(arrived, f"the last row of {metric} to arrive")
            rows = await room.rows(metric)
            values = [value for _, value in rows]
            assert len(values) == len(set(values)), "a row is there twice"
            missing = set(wanted) - set(values)
            assert not missing, f"{len(missing)} of {len(wanted)} rows are missing after {kills}"
        health = await room.health()
        assert health.counters["lost_messages_total"] == 0
        print(f"{kills}: {len(wanted)} rows, 0 lost, 0 doubled")


async def test_last_message_lost_on_the_bus_is_pulled_by_the_head() -> None:
    """The forwarder dies with what it carried; the next heartbeat says what is missing."""
    async with Room() as room:

        async def flows() -> bool:
            return len(await room.rows("system.load1")) > 50

        await room.until(flows, "rows to flow")
        room.kill("forwarder")
        wanted = await published(room, "system.load1")

        async def arrived() -> bool:
            return set(wanted) <= {value for _, value in await room.rows("system.load1")}

        await room.until(arrived, "all rows of the gap")
        print(f"R1: {len(wanted)} rows, the very last ones died with the forwarder: 0 lost")


async def test_recording_off_keeps_the_live_side_and_writes_nothing() -> None:
    async with Room() as room:
        channel = open_channel(room.home, "governance")
        change = await SettingsServiceStub(channel).Change(
            ChangeRequest(key="recording.enabled", value="false", actor="person:test", wait_s=5), wait_for_ready=True
        )
        await channel.close(None)
        assert change.result.applied, change
        before = (await room.ask.Storage(pb.StorageRequest())).tiers[0].samples
        room.stop("aggregator")  # flushes
        room.start("aggregator")

        async def flows() -> bool:
            return len(await room.rows("system.load1")) > 200

        await room.until(flows, "the ring to be filled again")
        assert (await room.ask.Storage(pb.StorageRequest())).tiers[0].samples == before


async def test_watch_tells_each_grid_point_soon_after_it_has_passed() -> None:
    async with Room() as room:
        query = pb.StandingQuery(selector=pb.Selector(metric="system.load1"), stat="count", window="1s")
        times = []
        async for value in room.ask.Watch(pb.WatchRequest(queries=[query]), timeout=60):
            times.append(value.time_us)
            if len(times) == 15:
                break
        assert [b - a for a, b in itertools.pairwise(times)] == [100_000] * 14
        rows = [t for t, _ in await room.rows("system.load1") if times[-1] - 1_000_000 < t <= times[-1]]
        # On a busy machine a row may come later than the 250 ms that a window waits.
        assert 0 < value.values[0] <= len(rows)


async def test_standing_query_on_the_bus_survives_kills_and_ends_with_its_listener() -> None:
    topic = topics.window("1s", "system.load1", "count")
    async with Room() as room:
        ear = Ear(room.home, (topic,))
        for victim in ("aggregator", "forwarder", ""):
            heard = len(ear.messages)
            await asyncio.to_thread(ear.wait_for, lambda _, n=heard: len(ear.messages) > n + 10, PATIENCE_S, "values")
            if victim:
                room.kill(victim)
        value = WindowValue.FromString(ear.messages[-1][1])
        assert (value.metric, value.stat, value.window) == ("system.load1", "count", "1s")
        assert value.time_us % 100_000 == 0

        async def nobody() -> bool:
            return (await room.health()).counters.get("standing_queries") == 0

        async def somebody() -> bool:
            return not await nobody()

        await room.until(somebody, "the aggregator to say that one listens")
        ear.close()
        await room.until(nobody, "the computing to end with the last listener")


@pytest.mark.long
async def test_aggregator_that_was_stopped_tells_every_grid_point_as_the_samples_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """More messages than the bus keeps pass by meanwhile: they are pulled before windows are told."""
    monkeypatch.setenv("COUNTING_HZ", "400")
    topic = topics.window("1s", "system.load1", "count")
    async with Room() as room:
        ear = Ear(room.home, (topic,))
        await asyncio.to_thread(ear.wait_for, lambda messages: len(messages) > 20, PATIENCE_S, "values")
        stopped_us = wall_us()
        room.signal("aggregator", signal.SIGSTOP)
        missed = len(await published(room, "system.load1")) + 2 * HIGH_WATER_MARK
        while len(await published(room, "system.load1")) < missed:  # noqa: ASYNC110
            await asyncio.sleep(0.5)  # each look reads all that the producer holds
        room.signal("aggregator", signal.SIGCONT)
        resumed_us = wall_us()

        def caught_up(messages: list[tuple[str, bytes]]) -> bool:
            return WindowValue.FromString(messages[-1][1]).time_us > resumed_us + 500_000

        await asyncio.to_thread(ear.wait_for, caught_up, PATIENCE_S, "the present")
        caught_up_s = (wall_us() - resumed_us) / 1e6
        told = [WindowValue.FromString(payload) for _, payload in ear.messages]
        meanwhile = [value for value in told if stopped_us < value.time_us < resumed_us - 1_000_000]
        assert len(meanwhile) > 10
        times = np.array([t for t, _ in await room.rows("system.load1")])
        wrong = [
            (value.time_us, list(value.values))
            for value in meanwhile
            if list(value.values) != [np.count_nonzero((times > value.time_us - 1_000_000) & (times <= value.time_us))]
        ]
        assert not wrong, f"{len(wrong)} of {len(meanwhile)}"
        assert {b.time_us - a.time_us for a, b in pairwise(told)} == {100_000}
        ear.close()
        print(f"{len(meanwhile)} grid points, none wrong, caught up in {caught_up_s:.1f} s")


async def test_live_frames_begin_with_a_key_frame_and_have_no_gap() -> None:
    async with Room() as room:
        ear = Ear(room.home, (topics.LIVE,))
        await asyncio.to_thread(ear.wait_for, lambda messages: len(messages) > 100, PATIENCE_S, "frames")
        frames = [LiveFrame.FromString(payload) for _, payload in ear.messages]
        assert frames[0].key
        assert next(frame for frame in frames if frame.tables).tables[0].series  # the first may know none yet
        assert [b.seq - a.seq for a, b in pairwise(frames)] == [1] * (len(frames) - 1)
        rows = [(table.id, t) for frame in frames if not frame.key for table in frame.tables for t in table.times_us]
        assert len(rows) == len(set(rows)), "a row left twice"
        assert (frames[-1].time_us - frames[0].time_us) / (len(frames) - 1) > 16_000, "more than 60 frames a second"
        ear.close()

        async def nobody() -> bool:
            return (await room.health()).counters.get("live_listeners") == 0

        await room.until(nobody, "the frames to end with the last listener")


def narrow_channel(room: Room) -> grpc.aio.Channel:
    """Between the two ends wait 64 KiB; a channel that measures its way holds minutes of windows."""
    return grpc.aio.insecure_channel(f"unix:{room.home.socket('aggregator')}", options=[("grpc.http2.bdp_probe", 0)])


async def test_a_watcher_that_stalls_is_told_exactly_how_much_it_missed() -> None:
    """Once it has caught up, each grid point of each query either came or was counted as left out."""
    stats = ("avg", "min", "max", "last", "p50", "p90", "p95", "p98", "p99")
    queries = [pb.StandingQuery(selector=LOAD, stat=stat, window=f"{s}s") for stat in stats for s in range(1, 6)]
    async with Room() as room, narrow_channel(room) as channel:
        watch = MetricsServiceStub(channel).Watch(pb.WatchRequest(queries=queries), wait_for_ready=True)
        value = await watch.read()

        async def missed() -> bool:
            return (await room.health()).counters.get("watch_missed_total", 0) > 0

        await room.until(missed, "values to be left out")
        oldest: dict[tuple[str, str], int] = {}
        newest: dict[tuple[str, str], int] = {}
        got = left_out = 0
        caught_up_us = 0
        while not caught_up_us or min(newest.values()) < caught_up_us + 1_000_000:
            query = value.stat, value.window
            got, left_out = got + 1, left_out + value.missed
            newest[query] = value.time_us
            oldest.setdefault(query, value.time_us)
            if not caught_up_us and wall_us() - value.time_us < 600_000:
                caught_up_us = value.time_us
            value = await watch.read()
        due = sum((newest[query] - oldest[query]) // 100_000 + 1 for query in newest)
        assert len(newest) == len(queries)
        assert left_out > 0
        assert got + left_out == due
        assert "a watcher reads slower than values come" in room.log("aggregator")


LOAD = pb.Selector(metric="system.load1")
WRONG = [
    (pb.QueryRangeRequest(selector=pb.Selector(metric="system.cpu.percnt")), "NOT_FOUND", "system.cpu.percent"),
    (pb.QueryRangeRequest(selector=LOAD, stat="median"), "INVALID_ARGUMENT", "p50"),
    (pb.QueryRangeRequest(selector=LOAD, stat="p95"), "INVALID_ARGUMENT", "step_us"),
    (pb.QueryRangeRequest(selector=LOAD, step_us=1), "INVALID_ARGUMENT", "step_us"),
    (pb.QueryRangeRequest(selector=LOAD, start_us=9, end_us=5), "INVALID_ARGUMENT", "start_us"),
    (
        pb.QueryRangeRequest(selector=pb.Selector(metric="system.load1", labels=[Label(name="core", value="1")])),
        "INVALID_ARGUMENT",
        "no label 'core'",
    ),
    (pb.QueryInstantRequest(selector=LOAD, window="10"), "INVALID_ARGUMENT", "10s"),
    (pb.ListSeriesRequest(class_or_metric="sistem"), "NOT_FOUND", "unknown metric"),
    (pb.BackfillRequest(seconds=301), "INVALID_ARGUMENT", "300"),
    (pb.WatchRequest(), "INVALID_ARGUMENT", "queries"),
    (pb.WatchRequest(queries=[pb.StandingQuery(selector=LOAD, stat="avg", window="6m")]), "INVALID_ARGUMENT", "300 s"),
]


async def test_wrong_questions_are_answered_by_name() -> None:
    async with Room(("forwarder", "governance", "aggregator")) as room:
        for request, code, says in WRONG:
            method = type(request).__name__.removesuffix("Request")
            call = getattr(room.ask, method)(request, timeout=30)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await _answer(call)
            assert (caught.value.code().name, method) == (code, method)
            assert says in (caught.value.details() or "")


async def _answer(call) -> None:
    """The whole answer of a unary or streaming call."""
    if hasattr(call, "__aiter__"):
        async for _ in call:
            pass
    else:
        await call
