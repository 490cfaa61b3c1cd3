"""Scores of a model's tasks, 0 to 1, as rows of `model.accuracy_proxy`; the label `type` says what was scored."""

from __future__ import annotations

import math
from typing import Literal

from wfmonitor.v1.sample_pb2 import RateGroup

from bus.clock import boot_us, wall_us
from bus.samples import SampleProducer, SampleTable
from bus.series import Series

METRIC = "model.accuracy_proxy"
# Names come from requests: who sends ever new ones gets no more series.
MOST_MODELS = 200
Kind = Literal["structured", "probe"]


class Scores:
    """One table a model; a kind is a column once it was seen."""

    def __init__(self, samples: SampleProducer) -> None:
        self._samples = samples
        self._tables: dict[str, tuple[SampleTable, list[Series]]] = {}
        self.valid_total = 0
        self.invalid_total = 0

    def judged(self, model: str, valid: bool) -> None:
        """An answer that had, or had not, the form that was asked for."""
        self.valid_total += valid
        self.invalid_total += not valid
        self.tell(model, "structured", float(valid))

    def tell(self, model: str, kind: Kind, score: float) -> None:
        """Publishes one score as of now."""
        source = f"model:{model}"
        if source not in self._tables:
            if len(self._tables) >= MOST_MODELS:
                return
            self._tables[source] = (self._samples.table(source, RateGroup.RATE_GROUP_TREND, 1.0), [])
        table, columns = self._tables[source]
        series = Series(METRIC, source, (("type", kind),))
        if series not in columns:
            columns.append(series)
        table.write(tuple(columns), [wall_us()], [boot_us()], [score if one == series else math.nan for one in columns])
