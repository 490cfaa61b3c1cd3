"""Drift of a running model: scores in rows become its series and an event, baselines outlive the service."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.logs import ServiceLogger
from bus.series import Series
from services.aggregator.batch import Batch, TableKey
from services.aggregator.drift import BASELINE
from services.aggregator.drift_watch import ACCURACY, CONFIDENCE, SCORES, DriftWatch, Stream
from services.aggregator.store import Store

MODEL = "org/tiny:q4"
SOURCE = f"model:{MODEL}"


class Told:
    """Stands where the bus is: the rows and events that were published."""

    def __init__(self) -> None:
        self.rows: list[tuple[Series, float]] = []
        self.events: list[tuple[str, str, dict[str, str]]] = []

    def table(self, *_: object) -> Told:
        return self

    def write(self, columns: tuple[Series, ...], _times: object, _boot: object, values: tuple[float, ...]) -> None:
        self.rows += zip(columns, values, strict=True)

    def emit(self, kind: str, source: str, _title: str, _event: object = None, **attributes: str) -> None:
        self.events.append((kind, source, attributes))


def watch(folder: Path, told: Told) -> tuple[DriftWatch, Store]:
    store = Store(folder / "aggregator.db", quarantine=folder / "quarantine")
    log = ServiceLogger(logging.getLogger("test"), "aggregator")
    producer: Any = told
    return DriftWatch(producer, told.emit, store, lambda _metric: True, log), store


def scored(*values: float, kind: str = "structured", seq: int = 1, named: bool = True) -> Batch:
    other = Series("model.tps", SOURCE)
    return Batch(
        key=TableKey("tap", SOURCE, RateGroup.RATE_GROUP_TREND), epoch=1, seq=seq, rate_hz=1.0, schema=hash(kind),
        series=(other, Series(SCORES, SOURCE, (("type", kind),))) if named else None,
        times_us=np.arange(len(values)), boot_us=np.arange(len(values)),
        values=np.array([[5.0] * len(values), values]), shown_only=False,
    )  # fmt: skip


@pytest.fixture
def told() -> Told:
    return Told()


async def test_scores_that_fall_are_a_drift_told_once(tmp_path: Path, told: Told) -> None:
    watching, store = watch(tmp_path, told)
    watching.rows(scored(*[1.0] * BASELINE))
    assert not told.events
    watching.rows(scored(*[0.0] * 20, seq=2, named=False))
    ((kind, source, attributes),) = told.events
    assert (kind, source) == ("accuracy_drift", SOURCE)
    assert attributes == {"type": "structured", "phase": "begin", "baseline": "1.000"}
    series, level = told.rows[-1]
    assert series == Series(ACCURACY, SOURCE, (("type", "structured"),))
    assert level < -1
    store.close()


async def test_kinds_of_tasks_have_baselines_of_their_own(tmp_path: Path, told: Told) -> None:
    watching, store = watch(tmp_path, told)
    watching.rows(scored(*[1.0] * BASELINE))
    watching.rows(scored(*[0.0] * BASELINE, kind="score"))
    watching.rows(scored(*[1.0] * 50, seq=2))
    watching.rows(scored(*[0.0] * 50, kind="score", seq=2))
    assert not told.events
    assert {stream.kind for stream, _ in watching.streams()} == {"structured", "score"}
    store.close()


async def test_a_restart_forgets_no_baseline(tmp_path: Path, told: Told) -> None:
    watching, store = watch(tmp_path, told)
    watching.rows(scored(*[1.0] * BASELINE, *[0.0] * 3))
    before = dict(watching.streams())[Stream(ACCURACY, MODEL, "structured")]
    await watching.save()
    store.close()
    again, store = watch(tmp_path, told)
    after = dict(again.streams())[Stream(ACCURACY, MODEL, "structured")]
    assert after == before
    store.close()


async def test_without_scores_it_is_named_confidence(tmp_path: Path, told: Told) -> None:
    watching, store = watch(tmp_path, told)
    record = RequestRecord(model=MODEL, route="/v1/chat/completions", finish_reason="stop")
    watching.request(record)  # no entropy was measured: no value
    assert not dict(watching.streams())
    for number in range(BASELINE + 20):
        record.entropy_mean_bits = 1.0 + 0.01 * (number % 3) + (2.0 if number >= BASELINE else 0.0)
        watching.request(record)
    series, level = told.rows[-1]
    assert series == Series(CONFIDENCE, SOURCE, (("type", "/v1/chat/completions"),))
    assert level < -1  # less sure
    assert told.events[0][0] == "confidence_drift"
    store.close()


async def test_a_baseline_is_learned_anew_and_restored_as_it_was(tmp_path: Path, told: Told) -> None:
    watching, store = watch(tmp_path, told)
    stream = Stream(ACCURACY, MODEL, "structured")
    watching.rows(scored(*[1.0] * BASELINE, *[0.0] * 20))
    watching.rows(scored(*[1.0] * 5, kind="score"))
    drifted = dict(watching.streams())[stream]
    assert drifted.drifts
    assert watching.relearn("another") == []
    assert watching.relearn(MODEL, "structured") == [(stream, drifted)]
    assert [attributes["phase"] for _, _, attributes in told.events] == ["begin", "end"]
    watching.rows(scored(*[0.0] * BASELINE, seq=2))
    anew = dict(watching.streams())[stream]
    assert (anew.mean, anew.drifts, watching.holds(stream)) == (0.0, False, True)
    await watching.save()
    store.close()

    watching, store = watch(tmp_path, told)  # held over a restart
    assert watching.restore(MODEL) == [(stream, anew)]
    assert dict(watching.streams())[stream] == drifted
    assert told.events[-1][2] == {"type": "structured", "baseline": "0.000", "phase": "begin"}
    assert not watching.holds(stream)
    assert watching.restore(MODEL) == []
    await watching.save()
    store.close()

    watching, store = watch(tmp_path, told)
    assert not watching.holds(stream)
    assert dict(watching.streams())[stream] == drifted
    store.close()


async def test_learning_anew_twice_still_restores_what_was_before_the_first(tmp_path: Path, told: Told) -> None:
    watching, store = watch(tmp_path, told)
    stream = Stream(ACCURACY, MODEL, "structured")
    watching.rows(scored(*[1.0] * BASELINE))
    first = dict(watching.streams())[stream]
    watching.relearn(MODEL)
    watching.rows(scored(0.0, seq=2))
    between = dict(watching.streams())[stream]
    await watching.save()
    store.close()

    watching, store = watch(tmp_path, told)  # a restart between the two
    assert watching.relearn(MODEL) == [(stream, between)]
    await watching.save()
    store.close()

    watching, store = watch(tmp_path, told)
    watching.restore(MODEL)
    assert dict(watching.streams())[stream] == first
    watching.relearn(MODEL)  # restored: the next one holds anew
    watching.restore(MODEL)
    assert dict(watching.streams())[stream] == first
    store.close()
