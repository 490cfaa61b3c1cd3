"""Tokens from the bus become the models' own series, ten rows a second while a model is awake, and events of pairs."""

import asyncio
import math
from collections.abc import Callable
from typing import Protocol

from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.request_pb2 import TokenBurst
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, wall_us
from bus.resolution import digits_of, told
from bus.samples import SampleProducer, SampleTable
from services.aggregator.energy.board import Board, Row
from services.aggregator.energy.pairs import DESYNC, RESONANCE, Change
from services.aggregator.energy.profile import Profile

TICK_S = 0.1
SLOW_TICKS = 10
# Interference is a series of its own; what is marked on the charts is rarer.
TOLD_AS_EVENTS = (RESONANCE, DESYNC)


class Emit(Protocol):
    """ServiceContext.emit."""

    def __call__(self, kind: str, source: str, title: str, event: Event | None = None, **attributes: str) -> None: ...


class ModelVoice:
    """Feeds the board and publishes its rows like any producer does. Nothing runs while no model is awake."""

    def __init__(
        self, board: Board, samples: SampleProducer, emit: Emit, pass_on: Callable[[TokenBurst], None]
    ) -> None:
        self._ticks = 0
        self._board = board
        self._samples = samples
        self._emit = emit
        self._pass_on = pass_on
        self._tables: dict[tuple[str, int], SampleTable] = {}
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
        now_s = now_boot_us / 1e6
        for row in self._board.rows(now_s):
            self._write(row, 1 / TICK_S, now_us, now_boot_us)
        if self._ticks % SLOW_TICKS == 0:
            for row in self._board.slow_rows(now_s):
                self._write(row, 1 / (SLOW_TICKS * TICK_S), now_us, now_boot_us)
        self._ticks += 1
        for change in self._board.changes():
            if change.kind in TOLD_AS_EVENTS:
                tell_change(self._emit, change, now_us - now_boot_us)
        for model, profile in self._board.profile_changes().items():
            tell_profile(self._emit, model, profile)
        if self._board.awake(now_s):
            self._timer = loop.call_later(TICK_S, self._tick)
        else:
            self._timer, self._ticks = None, 0  # the first tick after a pause tells all

    def _write(self, row: Row, rate_hz: float, now_us: int, now_boot_us: int) -> None:
        group = RateGroup.RATE_GROUP_TREND if rate_hz <= 1.0 else RateGroup.RATE_GROUP_RESOURCE
        table = self._tables.get((row.model, group))
        if table is None:
            table = self._tables[row.model, group] = self._samples.table(f"model:{row.model}", group, rate_hz)
        values = [told(value, digits_of(series)) for series, value in zip(row.columns, row.values, strict=True)]
        table.write(row.columns, (now_us,), (now_boot_us,), values)


def tell_change(emit: Emit, change: Change, wall_less_boot_us: int) -> None:
    """Marks on the charts that something began or ended between two models, at the time when it did."""
    one, other = change.pair
    at_us = round(change.at_s * 1e6)
    word = "begins" if change.begins else "ends"
    attributes = {"other": other, "phase": "begin" if change.begins else "end"}
    if not math.isnan(change.r):
        attributes["r"] = f"{change.r:.3f}"
    if not math.isnan(change.energy):
        attributes["ensemble_energy"] = f"{change.energy:.3f}"
    if not change.begins:
        attributes["lasted_s"] = f"{change.lasted_s:.1f}"
    title = f"{change.kind} of {one} and {other} {word}"
    event = Event(time_us=at_us + wall_less_boot_us, boot_us=at_us)
    emit(change.kind, f"model:{one}", title, event, **attributes)


def tell_profile(emit: Emit, model: str, profile: Profile) -> None:
    """Says against what a model is measured from now on; `auto` names the full speed that it found."""
    emit(
        "profile",
        f"model:{model}",
        f"{model} is measured by the profile {profile.name}: full speed {profile.tps_max:.1f} tokens/s",
        profile=profile.name,
        tps_max=f"{profile.tps_max:.3f}",
        stall_ms=f"{profile.stall_ms:g}",
        burst_tps=f"{profile.burst_tps:.3f}",
        alpha=f"{profile.alpha:g}",
    )
