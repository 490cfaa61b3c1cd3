"""Counts end to end: what producers published, against what the aggregator answers.

The producers' ring files are the truth: a row is in them before it is on the bus, and they survive every kill.
They are read from outside, as bytes.
"""

import contextlib
import math
import shutil
import tempfile
from collections import Counter
from pathlib import Path

import grpc
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.metrics_service_pb2 import ListEventsRequest, QueryRangeRequest, Selector
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.sample_pb2 import SampleBatch

from bus import topics
from bus.clock import wall_us
from bus.home import Home
from bus.journal.ring_file import RingFile, Row
from bus.rings import ring_folder
from bus.series import Series, from_key
from tests.stack import wait_until

Sample = tuple[Series, int, float]  # series, wall µs, value
_HEADER_BYTES = 4096


class Ledger:
    """What was published so far; `note` reads on, before the ring files give up their oldest rows."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._reached: dict[str, tuple[int, int]] = {}
        self._columns: dict[tuple[str, int], tuple[Series, ...]] = {}
        self._unnamed: list[tuple[str, SampleBatch]] = []
        self.samples: Counter[Sample] = Counter()
        self.events: dict[str, Event] = {}
        self.rows = 0
        self.gone = 0
        """Rows that a ring file gave up before they were noted: not counted, so it must stay 0."""

    def note(self) -> None:
        for path in sorted(ring_folder(self._home).glob("*.ring")):
            for row in _rows(path):
                self._take(path.stem, row)

    def _take(self, producer: str, row: Row) -> None:
        last = self._reached.get(producer, (0, 0))
        if (row.epoch, row.seq) <= last:
            return
        expected = last[1] + 1 if row.epoch == last[0] else 1
        self.gone += row.seq - expected
        self._reached[producer] = (row.epoch, row.seq)
        self.rows += 1
        if row.topic.startswith(topics.EVENTS):
            event = Event.FromString(row.payload)
            self.events[event.id] = event
            return
        batch = SampleBatch.FromString(row.payload)
        if batch.series:
            self._columns[producer, batch.schema] = tuple(from_key(key, batch.source) for key in batch.series)
        if not batch.shown_only:
            self._count(self._columns[producer, batch.schema], batch)

    def _count(self, columns: tuple[Series, ...], batch: SampleBatch) -> None:
        rows = len(batch.times_us)
        for at, series in enumerate(columns):
            for row, time_us in enumerate(batch.times_us):
                value = batch.values[at * rows + row]
                if not math.isnan(value):
                    self.samples[series, time_us, value] += 1

    # -- the other end ------------------------------------------------------------------------

    def kept(self) -> Counter[Sample]:
        """What the aggregator answers over all time, for every metric that was published."""
        found: Counter[Sample] = Counter()
        with grpc.insecure_channel(f"unix:{self._home.socket('aggregator')}") as channel:
            stub = MetricsServiceStub(channel)
            for metric in sorted({series.metric for series, _, _ in self.samples}):
                request = QueryRangeRequest(selector=Selector(metric=metric), end_us=wall_us() + 7_200_000_000)
                for message in stub.QueryRange(request, timeout=30, wait_for_ready=True):
                    for one in message.series:
                        series = from_key(one.key)
                        for time_us, value in zip(one.times_us, one.values, strict=True):
                            if not math.isnan(value):
                                found[series, time_us, value] += 1
        return found

    def kept_events(self) -> Counter[str]:
        """Ids of the events the aggregator has."""
        with grpc.insecure_channel(f"unix:{self._home.socket('aggregator')}") as channel:
            request = ListEventsRequest(end_us=wall_us() + 7_200_000_000, limit=10_000)
            answer = MetricsServiceStub(channel).ListEvents(request, timeout=30, wait_for_ready=True)
            return Counter(event.id for event in answer.events)

    def settle(self, timeout_s: float = 15.0) -> "Balance":
        """Notes what there is now, waits until the aggregator has it too, and compares."""
        self.note()
        balance = self.compare()

        def level() -> bool:
            nonlocal balance
            balance = self.compare()
            return not balance.missing and not balance.missing_events

        with contextlib.suppress(TimeoutError):  # the balance says what is missing
            wait_until(level, timeout_s, "the aggregator to have all that was published")
        return balance

    def compare(self) -> "Balance":
        kept, events = self.kept(), self.kept_events()
        return Balance(self.samples, kept, set(self.events), events)


class Balance:
    """Published against kept."""

    def __init__(
        self, published: Counter[Sample], kept: Counter[Sample], events: set[str], kept_events: Counter[str]
    ) -> None:
        self.published = published.total()
        self.missing = published - kept
        known = {(series, time_us) for series, time_us, _ in published}
        # Later samples are not in the ledger yet; twice, or with another value, is what counts.
        self.surplus = Counter({s: n for s, n in (kept - published).items() if (s[0], s[1]) in known})
        self.events = len(events)
        self.missing_events = events - kept_events.keys()
        self.double_events = [id_ for id_, count in kept_events.items() if count > 1]

    @property
    def whole(self) -> bool:
        return not (self.missing or self.surplus or self.missing_events or self.double_events)

    def __str__(self) -> str:
        text = (
            f"{self.published} samples published, {self.missing.total()} lost, {self.surplus.total()} twice; "
            f"{self.events} events, {len(self.missing_events)} lost, {len(self.double_events)} twice"
        )
        for what, some in (("lost", self.missing), ("twice", self.surplus)):
            for series, time_us, value in list(some)[:5]:
                text += f"\n  {what}: {series} at {time_us} = {value}"
        return text


def _rows(path: Path) -> list[Row]:
    """The rows of a ring file that another process may be writing."""
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(50):
            # The header first, then what it tells of: rows overwritten in between do not read as rows.
            copy = Path(shutil.copyfile(path, Path(folder) / path.name))
            ring = RingFile(copy, copy.stat().st_size - _HEADER_BYTES)
            rows = ring.rows()
            ring.close()
            if rows:
                return rows
    return []
