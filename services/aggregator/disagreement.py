"""The tap's disagreement of two models, on its way from the tap's rows to the board, which judges resonance by it."""

import math
from collections.abc import Callable

from services.aggregator.batch import Batch

METRIC = "model.disagreement"
_PRODUCER, _MODEL = "tap", "model:"
Disagree = Callable[[str, str, float, float], None]


class DisagreementEar:
    """Hears every batch, and passes on (model, other, DI, boot time in seconds) of those few that tell it."""

    def __init__(self, disagree: Disagree) -> None:
        self._disagree = disagree
        self._others: dict[tuple[str, int], dict[int, str]] = {}
        """(source, schema) → column → the other model."""

    def hear(self, batch: Batch) -> None:
        """The newest row of a batch counts."""
        source = batch.key.source
        if batch.key.producer != _PRODUCER or not source.startswith(_MODEL):
            return
        if batch.series is not None:
            told = {at: dict(one.labels) for at, one in enumerate(batch.series) if one.metric == METRIC}
            self._others[source, batch.schema] = {at: labels["other"] for at, labels in told.items()}
        for at, other in self._others.get((source, batch.schema), {}).items():
            value = float(batch.values[at, -1])
            if not math.isnan(value):
                self._disagree(source.removeprefix(_MODEL), other, value, int(batch.boot_us[-1]) / 1e6)
