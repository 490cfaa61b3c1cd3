"""What came in goes on to whoever watches: the live frame, the windows, the recorder."""

from collections.abc import Callable

from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.process_pb2 import ProcessTable
from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord, TokenBurst

from services.aggregator.batch import Batch
from services.aggregator.broadcast import LiveVoice, WindowVoice
from services.aggregator.events import EventMemory
from services.aggregator.inbox import Lost
from services.aggregator.live import LiveComposer
from services.aggregator.recorder import Recorder


class Spread:
    """The ingest's watcher, and the ear for what is shown but never numbered: health and process tables."""

    def __init__(
        self,
        composer: LiveComposer,
        live: LiveVoice,
        windows: WindowVoice,
        recorder: Recorder,
        events: EventMemory,
        tell_loss: Callable[[Lost], None],
    ) -> None:
        self._composer = composer
        self._live = live
        self._windows = windows
        self._recorder = recorder
        self._tell_loss = tell_loss
        self._events = events
        self.hearers: list[Callable[[Batch], None]] = []
        """Hear each batch that came in live, or was missed and pulled."""

    def rows(self, batch: Batch, *, stored: bool) -> None:
        if self._live.listening and not stored:
            self._composer.batch(batch)
            self._live.news(whole=not batch.more)
        self._windows.news()
        if not stored:
            for hear in self.hearers:
                hear(batch)

    def event(self, event: Event, *, stored: bool) -> None:
        if not self._events.take(event) or stored:
            return
        self._recorder.event(event)
        if self._live.listening:
            self._composer.event(event)
            self._live.news()

    def refused(self, batch: Batch, reason: str) -> None:
        self._recorder.refused(batch)

    def lost(self, loss: Lost) -> None:
        self._tell_loss(loss)

    def health(self, health: Health) -> None:
        self._composer.health(health)
        self._live.news()

    def on_processes(self, _topic: str, payload: bytes) -> None:
        self._composer.processes(ProcessTable.FromString(payload))
        self._live.news()

    def tokens(self, burst: TokenBurst) -> None:
        if self._live.listening:
            self._composer.tokens(burst)
            self._live.news(tokens=True)

    def on_request(self, _topic: str, payload: bytes) -> None:
        if self._live.listening:
            self._composer.request(RequestRecord.FromString(payload))
            self._live.news()

    def cost(self, record: RequestRecord, cost: RequestCost) -> None:
        """The record is shown again, with what it cost."""
        if self._live.listening:
            full = RequestRecord()
            full.CopyFrom(record)
            full.joules_attribution = cost.joules_attribution
            if cost.HasField("joules"):
                full.joules = cost.joules
            if cost.HasField("energy_mean"):
                full.energy_mean = cost.energy_mean
            self._composer.request(full)
            self._live.news()
