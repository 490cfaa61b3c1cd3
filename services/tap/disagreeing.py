"""Disagreement of models as rows of `model.disagreement`, ten a second while there is any; a label names the other."""

from __future__ import annotations

import asyncio
import math

from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, wall_us
from bus.samples import SampleProducer, SampleTable
from bus.series import Series

METRIC = "model.disagreement"
EVERY_S = 0.1
# Names come from requests: who sends ever new ones gets no more series.
MOST_MODELS = 64
MOST_OTHERS = 16


class DisagreementRows:
    """One table a model, one column for each that it was compared with. A row is the mean since the last one."""

    def __init__(self, samples: SampleProducer) -> None:
        self._samples = samples
        self._tables: dict[str, tuple[SampleTable, list[str]]] = {}
        self._since: dict[tuple[str, str], list[float]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def told(self, model: str, other: str, value: float) -> None:
        """One position, DI in [0, 1]; told of both models. Needs the running loop."""
        self._since.setdefault((model, other) if model < other else (other, model), []).append(value)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(EVERY_S, self.flush)

    def flush(self) -> None:
        """Publish what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        since, self._since = self._since, {}
        by_model: dict[str, dict[str, float]] = {}
        for (one, other), values in since.items():
            mean = math.fsum(values) / len(values)
            by_model.setdefault(one, {})[other] = mean
            by_model.setdefault(other, {})[one] = mean
        for model, means in by_model.items():
            self._write(model, means)

    def _write(self, model: str, means: dict[str, float]) -> None:
        source = f"model:{model}"
        if model not in self._tables:
            if len(self._tables) >= MOST_MODELS:
                return
            self._tables[model] = (self._samples.table(source, RateGroup.RATE_GROUP_RESOURCE, 1 / EVERY_S), [])
        table, others = self._tables[model]
        others += [other for other in sorted(means) if other not in others][: MOST_OTHERS - len(others)]
        columns = tuple(Series(METRIC, source, (("other", other),)) for other in others)
        values = [means.get(other, math.nan) for other in others]
        table.write(columns, [wall_us()], [boot_us()], values)
