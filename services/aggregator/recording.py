"""What may be written to disk: the switch of the recording dot, and one for each privacy class (CONTRACTS §11)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wfmonitor.v1.event_pb2 import Event

from bus.catalogue import catalogue
from bus.series import Series

RECORDING = "recording.enabled"
NAMES = "privacy.record.process_names"
# What happens to a model names it as its source; these tell of what runs it.
_OF_MODELS = frozenset({"runtime_come", "runtime_gone"})


@dataclass(frozen=True, slots=True)
class Recording:
    """The switches as they stand; `flag` reads a setting."""

    flag: Callable[[str], bool]

    @property
    def on(self) -> bool:
        return self.flag(RECORDING)

    def allows(self, metric: str) -> bool:
        """Whether values of a metric may be written; a metric nobody declared may not."""
        known = catalogue().get(metric)
        if known is None or not self.on:
            return False
        return self._records(known.privacy)

    def columns(self, series: Sequence[Series]) -> NDArray[np.intp]:
        """Positions of the series that may be written."""
        allowed: dict[str, bool] = {}
        for one in series:
            if one.metric not in allowed:
                allowed[one.metric] = self.allows(one.metric)
        return np.array([at for at, one in enumerate(series) if allowed[one.metric]], np.intp)

    def event(self, event: Event) -> Event | None:
        """The event as it may be kept: without names of processes where they are not agreed to; None: not at all."""
        if not self._may_tell(event):
            return None
        if not event.HasField("spike") or self.flag(NAMES):
            return event
        kept = Event()
        kept.CopyFrom(event)
        for row in kept.spike.processes.rows:
            row.name = row.unit = ""
        return kept

    def _may_tell(self, event: Event) -> bool:
        """What is told of a spike or a model is of its class; the rest tells what the monitor itself did."""
        if event.kind == "spike":
            return self.allows(event.spike.series.metric)
        if event.source.startswith("model:") or event.kind in _OF_MODELS:
            return self.on and self._records("models")
        return True

    def _records(self, privacy: str) -> bool:
        return self.flag(catalogue().privacy[privacy].switch)
