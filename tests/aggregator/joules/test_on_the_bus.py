"""The real collector over stand-in GPUs, tokens on the real bus: joules by model, their sum the power's integral."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
import zmq
from wfmonitor.v1 import metrics_service_pb2 as pb
from wfmonitor.v1.energy_service_pb2 import ListEnergyDaysRequest
from wfmonitor.v1.energy_service_pb2_grpc import EnergyServiceStub
from wfmonitor.v1.request_pb2 import Phase, RequestCost, RequestRecord, TokenBurst

from bus import topics
from bus.clock import boot_us, wall_us
from bus.rpc import open_channel
from bus.transport import Publisher
from services.aggregator.joules.voice import LAG_S
from tests.aggregator import room as rooms
from tests.aggregator.room import Room
from tests.stack import Ear

MODEL = "org/tiny:q4"
# Both GPUs take 300 W: some seconds of the model, with a turn of their power in it.
ENOUGH_J = 1000.0


@pytest.fixture
async def room(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    monkeypatch.setitem(rooms.MODULES, "collector", "tests.aggregator.joules.standin_collector")
    async with Room(("forwarder", "governance", "collector", "aggregator")) as running:
        yield running


class Speaker:
    """A model that answers: a token each 50 ms from a thread of its own."""

    def __init__(self, publisher: Publisher) -> None:
        self._publisher = publisher
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._speak)
        self.begun = (wall_us(), boot_us())
        self._thread.start()

    def _send(self, phase: Phase.ValueType, tokens: int = 0) -> None:
        burst = TokenBurst(
            producer="test", model=MODEL, request_id="r-1", phase=phase, tokens=[1] * tokens,
            times_us=[wall_us()] * tokens, boot_us=[boot_us()] * tokens,
        )  # fmt: skip
        self._publisher.send(topics.token(MODEL), burst.SerializeToString())

    def _speak(self) -> None:
        self._send(Phase.PHASE_SENT)
        while not self._done.wait(0.05):
            self._send(Phase.PHASE_FLOWING, 1)
        self._send(Phase.PHASE_ENDED)

    def end(self) -> None:
        self._done.set()
        self._thread.join()
        record = RequestRecord(
            id="r-1", model=MODEL, producer="test", start_us=self.begun[0], start_boot_us=self.begun[1],
            e2e_ms=(boot_us() - self.begun[1]) / 1000,
        )  # fmt: skip
        self._publisher.send(topics.request(MODEL), record.SerializeToString())


@contextmanager
def publishing(room: Room) -> Iterator[Publisher]:
    context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
    publisher = Publisher(room.home, context)
    try:
        yield publisher
    finally:
        publisher.close()
        context.term()


async def days_outlive_the_service(room: Room) -> None:
    async def shares() -> dict[tuple[str, str], float]:
        async with open_channel(room.home, "aggregator") as channel:
            asked = EnergyServiceStub(channel).ListEnergyDays(ListEnergyDaysRequest(), wait_for_ready=True, timeout=60)
            answer = await asked
        assert not answer.HasField("tariff_per_kwh")
        assert not any(share.HasField("money") for share in answer.shares)
        return {(share.kind, share.name): share.joules for share in answer.shares}

    before = await shares()
    assert before["model", MODEL] > ENOUGH_J
    room.stop("aggregator")
    room.start("aggregator")
    after = await shares()
    assert after["model", MODEL] >= before["model", MODEL]
    assert after.keys() == before.keys()


async def rows(room: Room, metric: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Series → (times on the boot clock in seconds, values), all that is held."""
    request = pb.QueryRangeRequest(selector=pb.Selector(metric=metric), start_us=0)
    offset_us = wall_us() - boot_us()
    found: dict[str, list[tuple[float, float]]] = {}
    async for message in room.ask.QueryRange(request, wait_for_ready=True, timeout=rooms.PATIENCE_S):
        for series in message.series:
            name = "/".join((series.key.source, *(label.value for label in series.key.labels)))
            times = [(time_us - offset_us) / 1e6 for time_us in series.times_us]
            found.setdefault(name, []).extend(zip(times, series.values, strict=True))
    return {name: (np.array([t for t, _ in all_]), np.array([v for _, v in all_])) for name, all_ in found.items()}


async def test_models_and_the_rest_are_the_gpus_power_over_time(room: Room) -> None:
    ear = Ear(room.home, (topics.REQUEST_COSTS,))
    with publishing(room) as publisher:

        async def told() -> bool:
            return bool(await rows(room, "gpu.energy_split_j"))

        await room.until(told, "the first second of energy", 60)
        speaker = Speaker(publisher)

        async def many() -> bool:
            found = await rows(room, "model.energy_j")
            return any(values[-1] > ENOUGH_J for _, values in found.values())

        await room.until(many, f"{ENOUGH_J} J of the model", 60)
        speaker.end()
        await asyncio.to_thread(ear.wait_for, bool, 60.0, "the cost of the request")
    ear.close()
    cost = RequestCost.FromString(ear.messages[0][1])
    assert (cost.id, cost.model, cost.joules_attribution) == ("r-1", MODEL, "shared")
    assert 0 < cost.energy_mean <= 1
    power, split = await rows(room, "gpu.power_w"), await rows(room, "gpu.energy_split_j")
    billed_s = 0.0
    for gpu in ("gpu:0", "gpu:1"):
        # A row at t tells of the seconds up to floor(t) − LAG: between two rows lies the integral between those.
        at: defaultdict[float, float] = defaultdict(float)
        for kind in ("models", "other", "idle"):
            for time_s, joules in zip(*split.get(f"{gpu}/{kind}", ((), ())), strict=True):
                at[float(np.floor(time_s)) - LAG_S] += joules
        begin, end = min(at), max(at)
        times, watts = power[gpu]
        inner = times[(times > begin) & (times < end)]
        grid = np.concatenate(([begin], inner, [end]))
        expected = float(np.trapezoid(np.interp(grid, times, watts), grid))
        assert at[end] - at[begin] == pytest.approx(expected, rel=0.01)
        billed_s += end - begin
    assert billed_s > 4
    models = await rows(room, "model.energy_j")
    total = sum(values[-1] for _, values in models.values())
    assert total == pytest.approx(sum(values[-1] for name, (_, values) in split.items() if "models" in name), rel=1e-6)
    assert cost.joules == pytest.approx(total, rel=0.01)
    await days_outlive_the_service(room)
