"""What is learned of models, over restarts of the aggregator and the loss of its file."""

import logging
from pathlib import Path

import pytest
from wfmonitor.v1.sample_pb2 import SampleBatch, SeriesKey

from bus.logs import ServiceLogger
from services.aggregator.energy.board import Board
from services.aggregator.energy.learned import LIFETIME, told_lifetimes
from services.aggregator.energy.memory import Memory
from services.aggregator.energy.model import SLOW_FIELDS
from services.aggregator.energy.profile import AUTO, LEAST_S, NUMBERS
from services.aggregator.energy.slowdown import Bin
from services.aggregator.energy.speeds import STATED_ERROR
from tests.aggregator.blocks import open_store
from tests.aggregator.energy.test_board import tokens

LOG = ServiceLogger(logging.getLogger("test"))
TODAY = 20_000


def run_for(board: Board, seconds: int, tps: float, from_s: float = 10.0) -> dict[str, float]:
    """A model that streams; the slow row after it."""
    values: dict[str, float] = {}
    arrivals = [from_s + k / tps for k in range(round(seconds * tps))]
    for second in range(seconds):
        now_s = from_s + second + 1.0
        board.take(tokens("m", "r", [at for at in arrivals if now_s - 1.0 <= at < now_s]), now_s)
        values = {row.model: dict(zip(SLOW_FIELDS, row.values, strict=True)) for row in board.slow_rows(now_s)}["m"]
    return values


async def test_lifetime_energy_and_full_speed_live_through_a_restart(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    memory = Memory(store, lambda: True, LOG)
    before = run_for(Board(memory.learned, AUTO, lambda: float(TODAY)), LEAST_S + 5, 40.0)
    assert before["energy_lifetime"] > 50.0
    await memory.save()
    store.close()

    again = open_store(tmp_path)
    board = Board(Memory(again, lambda: True, LOG).learned, AUTO, lambda: float(TODAY))
    after = run_for(board, 2, 40.0)
    assert after["energy_lifetime"] > before["energy_lifetime"]
    assert after["profile"] == NUMBERS[AUTO]
    assert after["profile_tps_max"] == pytest.approx(40.0, rel=STATED_ERROR + 0.03)
    assert [profile.name for profile in board.profile_changes().values()] == [AUTO]
    again.close()


async def test_with_recording_off_nothing_is_written_and_nothing_forgotten(tmp_path: Path) -> None:
    store, may = open_store(tmp_path), [False]
    memory = Memory(store, lambda: may[0], LOG)
    memory.learned.reach("m", 7.0)
    await memory.save()
    assert Memory(store, lambda: True, LOG).learned.lifetime_s("m") == 0.0
    may[0] = True
    await memory.save()
    assert Memory(store, lambda: True, LOG).learned.lifetime_s("m") == 7.0
    store.close()


async def test_a_fresh_file_gets_what_is_known(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    memory = Memory(store, lambda: True, LOG)
    memory.learned.reach("m", 7.0)
    memory.learned.ran("m", TODAY, 12.0)
    alone = Bin("m", 1, 2)
    memory.learned.baselines.learn(alone, 40.0, float(TODAY))
    await memory.save()
    store.close()
    (tmp_path / "fresh").mkdir()
    fresh = open_store(tmp_path / "fresh")
    memory._store, memory._file = fresh, object()  # type: ignore[assignment]  # as after a quarantine
    await memory.save()
    found = Memory(fresh, lambda: True, LOG).learned
    assert found.lifetime_s("m") == 7.0
    assert found.weeks["m"].seconds(TODAY) == 1
    assert found.baselines.rows == memory.learned.baselines.rows
    assert set(found.baselines.rows) == {alone}
    fresh.close()


def test_what_was_told_before_a_kill_is_found_in_the_ring_file() -> None:
    named = SampleBatch(
        source="model:org/m:q4",
        schema=5,
        series=[SeriesKey(metric="model.tps"), SeriesKey(metric=LIFETIME)],
        times_us=[1, 2],
        values=[1.0, 2.0, 3.0, 4.5],
    )
    unnamed = SampleBatch(source="model:org/m:q4", schema=5, times_us=[3], values=[9.0, 4.75])
    other = SampleBatch(source="model:org/m:q4", schema=6, times_us=[3], values=[99.0])
    assert told_lifetimes([named, unnamed, other]) == {"org/m:q4": 4.75}


def test_a_lifetime_never_falls() -> None:
    board = Board()
    board._learned.reach("m", 1000.0)
    assert run_for(board, 3, 20.0)["energy_lifetime"] > 1000.0
