"""The joules on the bus and in the service: what they hear, tell, keep and answer."""

import asyncio
import time
from collections.abc import Callable

import grpc
from wfmonitor.v1.energy_service_pb2_grpc import add_EnergyServiceServicer_to_server
from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord, TokenBurst

from bus import topics
from bus.clock import boot_us, until_beat_s
from bus.context import ServiceContext
from bus.database import Database
from bus.targets import targets_of
from bus.tariff import tariff_of
from services.aggregator.energy.board import Board
from services.aggregator.joules.api import EnergyApi, day_of
from services.aggregator.joules.days import IDLE, MODEL, OTHER, DayBook, DayRow
from services.aggregator.joules.voice import JoulesVoice
from services.aggregator.recording import Recording
from services.aggregator.rings import Rings

_WRITE_EVERY_S = 60
# What each kind of a day's rows tells of: models, and the machine, have each a switch.
_OF = {MODEL: "model.energy_j", OTHER: "gpu.energy_split_j", IDLE: "gpu.energy_split_j"}


class Joules:
    """`show` gets each record with its cost."""

    def __init__(
        self,
        ctx: ServiceContext,
        rings: Rings,
        recording: Recording,
        database: Database,
        show: Callable[[RequestRecord, RequestCost], None],
    ) -> None:
        self._ctx = ctx
        self._show = show
        self._recording = recording
        self._board: Board | None = None
        self._voice = JoulesVoice(rings, ctx.samples, self._tell, self._energy_mean)
        self._book = DayBook(database, self._voice.account)

    def serve(self, server: grpc.aio.Server) -> None:
        """Answer EnergyService."""
        api = EnergyApi(self._read, lambda: tariff_of(self._ctx.settings))
        add_EnergyServiceServicer_to_server(api, server)

    def listen(self, board: Board) -> None:
        """Hear tokens and requests, and work once a second; `board` knows the mean E(t) of a request."""
        self._board = board
        self._ctx.settings.on_change("targets.", lambda _key, _value: self._voice.goodput.forget())
        self._ctx.subscribe([topics.TOKENS], self._on_tokens)
        self._ctx.subscribe([topics.REQUESTS], self._on_request)
        self._ctx.spawn(self._run(), "energy by model and request")

    async def close(self) -> None:
        """Keep what came since the last minute."""
        await self._write()

    async def _run(self) -> None:
        seconds = 0
        while True:
            await asyncio.sleep(until_beat_s())
            if self._book.day_ended(day_of(time.time())):
                await self._write()
            self._voice.tick(boot_us())
            seconds += 1
            if seconds % _WRITE_EVERY_S == 0:
                await self._write()

    def _energy_mean(self, record: RequestRecord) -> float | None:
        return None if self._board is None else self._board.energy_mean(record.id)

    def _tell(self, record: RequestRecord, cost: RequestCost) -> None:
        self._ctx.publish(topics.request_cost(cost.model), cost)
        self._show(record, cost)

    def _on_tokens(self, _topic: str, payload: bytes) -> None:
        if self._voice.powered:
            self._voice.on_tokens(TokenBurst.FromString(payload))

    def _on_request(self, _topic: str, payload: bytes) -> None:
        record = RequestRecord.FromString(payload)
        self._voice.on_request(record)
        met = targets_of(self._ctx.settings).met(record)
        if met is not None:
            self._voice.goodput.heard(record.model, met, boot_us() / 1e6)

    async def _write(self) -> None:
        await self._book.write(day_of(time.time()), allowed=kinds_kept(self._recording))

    async def _read(self, from_day: str) -> list[DayRow]:
        await self._write()
        return await self._book.read(from_day)


def kinds_kept(recording: Recording) -> set[str]:
    """Return the kinds of a day's rows that may be written as the switches stand."""
    return {kind for kind, metric in _OF.items() if recording.allows(metric)}
