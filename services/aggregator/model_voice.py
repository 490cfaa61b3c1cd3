"""Tokens from the bus become the models' own series, ten rows a second while a model is awake."""

import asyncio
from collections.abc import Callable

from wfmonitor.v1.request_pb2 import TokenBurst
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, wall_us
from bus.resolution import digits_of, told
from bus.samples import SampleProducer, SampleTable
from services.aggregator.energy.board import Board

TICK_S = 0.1


class ModelVoice:
    """Feeds the board and publishes its rows like any producer does. Nothing runs while no model is awake."""

    def __init__(self, board: Board, samples: SampleProducer, pass_on: Callable[[TokenBurst], None]) -> None:
        self._board = board
        self._samples = samples
        self._pass_on = pass_on
        self._tables: dict[str, SampleTable] = {}
        self._timer: asyncio.TimerHandle | None = None

    def on_tokens(self, _topic: str, payload: bytes) -> None:
        burst = TokenBurst.FromString(payload)
        if not burst.model or len(burst.boot_us) != len(burst.times_us):
            raise ValueError("a token burst names its model, and each of its times by both clocks")
        self._board.take(burst, boot_us() / 1e6)
        self._pass_on(burst)
        if self._timer is None:
            self._tick()

    def _tick(self) -> None:
        loop = asyncio.get_running_loop()
        now_us, now_boot_us = wall_us(), boot_us()
        for row in self._board.rows(now_boot_us / 1e6):
            table = self._tables.get(row.model)
            if table is None:
                table = self._samples.table(f"model:{row.model}", RateGroup.RATE_GROUP_RESOURCE, 1 / TICK_S)
                self._tables[row.model] = table
            values = [told(value, digits_of(series)) for series, value in zip(row.columns, row.values, strict=True)]
            table.write(row.columns, (now_us,), (now_boot_us,), values)
        awake = self._board.awake(now_boot_us / 1e6)
        self._timer = loop.call_later(TICK_S, self._tick) if awake else None
