"""Drift of every model by kind of task: scores from the rows, certainty from the records of requests; told and kept.

Scores are labels, so their drift is `model.accuracy_drift`. Where nobody scores, what is left is how sure the model
seems of its words: that is named for what it is, `model.confidence_drift`.
"""

from __future__ import annotations

import math
import sqlite3
from collections.abc import Callable, Iterator
from typing import NamedTuple

import peewee
from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, wall_us
from bus.database import DatabaseReplaced, DiskFull
from bus.logs import ServiceLogger
from bus.samples import SampleProducer, SampleTable
from bus.series import Series
from services.aggregator.batch import Batch, TableKey
from services.aggregator.drift import Detector
from services.aggregator.model_voice import Emit
from services.aggregator.store import Store
from services.aggregator.store_schema import DriftBeforeRow, DriftRow, tuples

SCORES = "model.accuracy_proxy"
ACCURACY, CONFIDENCE = "model.accuracy_drift", "model.confidence_drift"
# 0.1 of a score: after 100 right tasks the true share may still be 97 %. 0.05 bits: what sampling alone changes.
_LEAST = {ACCURACY: 0.1, CONFIDENCE: 0.05}
# Names come from requests: who sends ever new ones gets no more baselines.
MOST_STREAMS = 1000
_DIGITS = 3


class Stream(NamedTuple):
    """What has one baseline: a model and a kind of task (the score's type, or the address that was asked)."""

    metric: str
    model: str
    kind: str


class DriftWatch:
    """Made when the service starts; `save` with each flush. `allowed`: whether a metric may be written down."""

    def __init__(
        self,
        samples: SampleProducer,
        emit: Emit,
        store: Store,
        allowed: Callable[[str], bool],
        log: ServiceLogger,
    ) -> None:
        self._samples = samples
        self._emit = emit
        self._store = store
        self._allowed = allowed
        self._log = log
        self._detectors: dict[Stream, Detector] = {}
        self._before: dict[Stream, Detector] = {}
        """Baselines that a person had learned anew, as long as they can be restored."""
        self._changed: set[Stream] = set()
        self._columns: dict[tuple[TableKey, int], list[tuple[int, str]]] = {}
        self._tables: dict[str, SampleTable] = {}
        self._file = store.quarantined
        store.db.read_sync(lambda _: self._load())

    def _load(self) -> None:
        self._detectors.update(_read(DriftRow))
        self._before.update(_read(DriftBeforeRow))

    def rows(self, batch: Batch) -> None:
        """Rows that came in, each once; those that were stored in an earlier life were heard then."""
        if not batch.key.source.startswith("model:"):
            return
        for column, kind in self._scores(batch):
            for value in batch.values[column]:
                self._take(Stream(ACCURACY, batch.key.source[6:], kind), float(value))

    def _scores(self, batch: Batch) -> list[tuple[int, str]]:
        """Columns with scores, and their kinds."""
        schema = (batch.key, batch.schema)
        if batch.series is not None and schema not in self._columns:
            if len(self._columns) > 4 * MOST_STREAMS:
                self._columns.clear()  # named again within seconds
            self._columns[schema] = [
                (column, dict(series.labels).get("type", "score"))
                for column, series in enumerate(batch.series)
                if series.metric == SCORES
            ]
        return self._columns.get(schema, [])

    def request(self, record: RequestRecord) -> None:
        """A request that ended; certainty falls as entropy rises."""
        if record.HasField("entropy_mean_bits") and record.finish_reason in ("stop", "length", "tool"):
            self._take(Stream(CONFIDENCE, record.model, record.route or "sdk"), -record.entropy_mean_bits)

    def _take(self, stream: Stream, value: float) -> None:
        if not math.isfinite(value):
            return
        detector = self._detectors.get(stream)
        if detector is None:
            if len(self._detectors) >= MOST_STREAMS:
                return
            detector = self._detectors[stream] = Detector(_LEAST[stream.metric])
        turns = detector.take(value)
        self._changed.add(stream)
        if detector.learned and not math.isnan(detector.level):
            self._tell(stream, detector.level)
        if turns:
            self._mark(stream, detector)

    def _tell(self, stream: Stream, level: float) -> None:
        source = f"model:{stream.model}"
        table = self._tables.get(source)
        if table is None:
            table = self._tables[source] = self._samples.table(source, RateGroup.RATE_GROUP_TREND, 1.0)
        series = Series(stream.metric, source, (("type", stream.kind),))
        table.write((series,), (wall_us(),), (boot_us(),), (round(level, _DIGITS),))

    def _mark(self, stream: Stream, detector: Detector) -> None:
        what = _what(stream)
        way = "down" if detector.level < 0 else "up"
        begins = detector.drifts
        title = f"{what} of {stream.model} ({stream.kind}) " + (f"drifts {way}" if begins else "is what it was again")
        self._emit(
            f"{what}_drift",
            f"model:{stream.model}",
            title,
            type=stream.kind,
            phase="begin" if begins else "end",
            baseline=f"{detector.mean:.3f}",
        )

    async def save(self) -> None:
        """Writes what changed since the last time. Where it cannot be written, it goes with a later save."""
        if self._file is not self._store.quarantined:
            self._file = self._store.quarantined
            self._changed.update(self._detectors)
        if not self._changed or not self._allowed(ACCURACY):
            return
        changed, self._changed = self._changed, set()
        rows, before = (
            [dict(stream._asdict(), **_state(held[stream])) for stream in sorted(changed) if stream in held]
            for held in (self._detectors, self._before)
        )
        gone = sorted(changed - self._before.keys())
        try:
            await self._store.run(lambda _: _write(rows, before, gone))
        except (DatabaseReplaced, DiskFull, peewee.PeeweeException, sqlite3.Error, OSError) as error:
            self._changed |= changed
            self._log.warning("baselines of drift wait to be written", reason=str(error))

    def streams(self) -> Iterator[tuple[Stream, Detector]]:
        """Every stream that is watched."""
        yield from self._detectors.items()

    def holds(self, stream: Stream) -> bool:
        """Whether the baseline before the present one can be restored."""
        return stream in self._before

    def relearn(self, model: str, kind: str = "") -> list[tuple[Stream, Detector]]:
        """Begin the baselines of a model anew (`kind` "": of all tasks); return (stream, what it was).

        What was before the first of several is held until `restore`.
        """
        chosen = [(stream, was) for stream, was in self._detectors.items() if _is_of(stream, model, kind)]
        for stream, was in chosen:
            # Who begins anew once more still wants back what was there before: not the little that was learned between.
            self._before.setdefault(stream, was)
            self._change(stream, Detector(_LEAST[stream.metric]), was, "is learned anew")
        return chosen

    def restore(self, model: str, kind: str = "") -> list[tuple[Stream, Detector]]:
        """Take back every `relearn` since the last restore; return (stream, what it was).

        Values that came since are in no baseline.
        """
        chosen = [stream for stream in self._before if _is_of(stream, model, kind)]
        was = [(stream, self._detectors[stream]) for stream in chosen]
        for stream, detector in was:
            self._change(stream, self._before.pop(stream), detector, "is measured by its earlier baseline again")
        return was

    def _change(self, stream: Stream, now: Detector, was: Detector, words: str) -> None:
        self._detectors[stream] = now
        self._changed.add(stream)
        what = _what(stream)
        phase = "begin" if now.drifts else "end" if was.drifts else ""
        told = {"type": stream.kind, "baseline": f"{was.mean:.3f}"} | ({"phase": phase} if phase else {})
        title = f"{what} of {stream.model} ({stream.kind}) {words}"
        self._emit(f"{what}_drift", f"model:{stream.model}", title, None, **told)


def _what(stream: Stream) -> str:
    return "accuracy" if stream.metric == ACCURACY else "confidence"


def _is_of(stream: Stream, model: str, kind: str) -> bool:
    return stream.model == model and kind in ("", stream.kind)


def _read(rows: type[DriftRow]) -> Iterator[tuple[Stream, Detector]]:
    fields = (rows.metric, rows.model, rows.kind, rows.count, rows.mean, rows.squares, rows.up, rows.down, rows.drifts)
    for *name, count, mean, squares, up, down, drifts in tuples(rows.select(*fields)):
        stream = Stream(*name)
        if stream.metric in _LEAST:
            yield stream, Detector(_LEAST[stream.metric], count, mean, squares, up, down, bool(drifts))


def _state(detector: Detector) -> dict[str, float]:
    names = ("count", "mean", "squares", "up", "down", "drifts")
    return {name: getattr(detector, name) for name in names}


def _write(rows: list[dict[str, object]], before: list[dict[str, object]], gone: list[Stream]) -> None:
    for row in rows:
        DriftRow.insert(**row).on_conflict_replace().execute()
    for row in before:
        DriftBeforeRow.insert(**row).on_conflict_replace().execute()
    for metric, model, kind in gone:
        of = (DriftBeforeRow.metric == metric, DriftBeforeRow.model == model, DriftBeforeRow.kind == kind)
        DriftBeforeRow.delete().where(*of).execute()
