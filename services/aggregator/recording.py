"""What may be written to disk: the switch of the recording dot, and one for each privacy class (CONTRACTS §11)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from wfmonitor.v1.event_pb2 import Event

from bus.catalogue import catalogue
from bus.series import Series

# Privacy class of the catalogue → its switch. Processes are numbers of the machine; their names have a
# switch of their own. Models get theirs with the first model metric.
SWITCHES = {
    "machine": "privacy.record.machine",
    "processes": "privacy.record.machine",
    "ux": "privacy.record.ui",
}
RECORDING = "recording.enabled"
NAMES = "privacy.record.process_names"
# Kinds of events that tell something measured, and the metric whose class they are of ("": the event names it); the
# others tell what the monitor itself did.
MEASURED_EVENTS = {"spike": "", "resonance": "model.resonance", "desync": "model.desync", "profile": "model.profile"}


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
        switch = SWITCHES.get(known.privacy)
        return switch is None or self.flag(switch)

    def columns(self, series: Sequence[Series]) -> NDArray[np.intp]:
        """Positions of the series that may be written."""
        allowed: dict[str, bool] = {}
        for one in series:
            if one.metric not in allowed:
                allowed[one.metric] = self.allows(one.metric)
        return np.array([at for at, one in enumerate(series) if allowed[one.metric]], np.intp)

    def event(self, event: Event) -> Event | None:
        """The event as it may be kept: without names of processes where they are not agreed to; None: not at all."""
        if event.kind in MEASURED_EVENTS and not (self.on and self._may_tell(event)):
            return None
        if not event.HasField("spike") or self.flag(NAMES):
            return event
        kept = Event()
        kept.CopyFrom(event)
        for row in kept.spike.processes.rows:
            row.name = row.unit = ""
        return kept

    def _may_tell(self, event: Event) -> bool:
        metric = MEASURED_EVENTS[event.kind] or event.spike.series.metric
        return self.allows(metric) if metric else True
