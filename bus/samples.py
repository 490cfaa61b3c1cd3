"""A service's own samples and events: into the mapped ring file first, then onto the bus.

All of one producer share one sequence (epoch, seq), so that a consumer sees any gap and pulls it again.
Safe to call from any thread.
"""

import threading
from collections.abc import Callable, Sequence

from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.sample_pb2 import RateGroup, SampleBatch

from bus import topics
from bus.clock import monotonic_s
from bus.journal.replay import Held
from bus.journal.ring_file import RingFile, Row
from bus.series import Series, schema_hash, to_key

# How often a batch names its series although nothing changed: a newcomer on the bus waits at most so long.
SERIES_EVERY_S = 5.0
# Names that Replay may still need: ten minutes of a table whose columns change each second, with others beside it.
_MOST_NAMED = 1000

Send = Callable[[str, bytes], None]


class SampleProducer:
    """Numbers, journals and publishes what one service measures and sees."""

    def __init__(self, producer: str, epoch: int, ring: RingFile, send: Send) -> None:
        self.producer = producer
        # A wall clock set back must not make this start look older than the last one.
        self.epoch = max([epoch, *(held + 1 for held in ring.heads)])
        self._ring = ring
        self._send = send
        self._seq = 0
        self._lock = threading.Lock()
        self._schemas: dict[int, bytes] = {}

    def table(
        self, source: str, group: "RateGroup.ValueType", rate_hz: float, shown_only: bool = False
    ) -> "SampleTable":
        """A table of rows with one clock; `shown_only` rows are drawn but never written to disk."""
        return SampleTable(self, source, group, rate_hz, shown_only)

    def _publish_rows(
        self,
        topic: str,
        head: bytes,
        times_us: Sequence[int],
        boot_us: Sequence[int],
        values: Sequence[float],
        more: bool,
    ) -> None:
        """`head` is the part of the message that stays the same: messages joined in their bytes are one message."""
        with self._lock:
            rows = SampleBatch(
                epoch=self.epoch, seq=self._seq + 1, times_us=times_us, boot_us=boot_us, values=values, more=more
            )
            self._accept(topic, head + rows.SerializeToString())

    def _name(self, schema: int, columns: tuple[Series, ...], source: str) -> bytes:
        """Keeps the names of a table's columns for Replay; returns them as they travel."""
        named = SampleBatch(series=[to_key(series, source) for series in columns]).SerializeToString()
        with self._lock:
            self._schemas.pop(schema, None)
            self._schemas[schema] = named
            if len(self._schemas) > _MOST_NAMED:
                del self._schemas[next(iter(self._schemas))]
        return named

    def emit(self, event: Event) -> None:
        """Publishes an event in the producer's sequence."""
        with self._lock:
            event.epoch, event.seq = self.epoch, self._seq + 1
            self._accept(topics.event(event.kind), event.SerializeToString())

    def _accept(self, topic: str, payload: bytes) -> None:
        # The ring file is memory (tmpfs where there is one), so shown-only rows may pass through it as well:
        # they keep the sequence whole.
        self._ring.append(self.epoch, self._seq + 1, topic, payload)
        self._seq += 1
        self._send(topic, payload)

    @property
    def heads(self) -> dict[int, int]:
        """epoch → newest seq held."""
        return dict(self._ring.heads)

    def held(self, epoch: int, since: int) -> Held:
        """Rows after (epoch, since), each batch with its series named; for Replay."""
        with self._lock:
            everything = self._ring.rows()
        oldest = (everything[0].epoch, everything[0].seq) if everything else (0, 0)
        known = dict(self._schemas)
        # The batch that named a schema may stand behind others that use it: the ring is cut anywhere.
        for row in everything:
            if _is_batch(row) and (batch := SampleBatch.FromString(row.payload)).series:
                known[batch.schema] = SampleBatch(series=batch.series).SerializeToString()
        sent: set[tuple[str, int, int]] = set()
        wanted = (row for row in everything if (row.epoch, row.seq) > (epoch, since))
        return Held([_with_series(row, known, sent) if _is_batch(row) else row for row in wanted], oldest)


def _with_series(row: Row, known: dict[int, bytes], sent: set[tuple[str, int, int]]) -> Row:
    """The row; the first of a table's schema with its columns named."""
    batch = SampleBatch.FromString(row.payload)
    mark = (row.topic, batch.group, batch.schema)
    if mark in sent:
        return row
    sent.add(mark)
    if batch.series or batch.schema not in known:
        return row
    batch.MergeFromString(known[batch.schema])
    return row._replace(payload=batch.SerializeToString())


def _is_batch(row: Row) -> bool:
    return row.topic.startswith(topics.SAMPLES)


class SampleTable:
    """One table of a producer: (source, rate group)."""

    def __init__(
        self,
        producer: SampleProducer,
        source: str,
        group: "RateGroup.ValueType",
        rate_hz: float,
        shown_only: bool,
    ) -> None:
        self._producer = producer
        self.source = source
        self.group = group
        self.rate_hz = rate_hz
        self.shown_only = shown_only
        self._topic = topics.sample(source)
        self._columns: tuple[Series, ...] = ()
        self._rate_told_hz = rate_hz
        self._head = self._named_head = b""
        self._named_at_s = float("-inf")

    def write(
        self,
        columns: tuple[Series, ...],
        times_us: Sequence[int],
        boot_us: Sequence[int],
        values: Sequence[float],
        more: bool = False,
    ) -> None:
        """Adds rows. `values` is column-major, len(columns) × len(times_us), NaN where absent.

        `more`: rows of another table, of the same tick, follow at once.

        Raises ValueError where the lengths do not agree.
        """
        if len(values) != len(columns) * len(times_us) or len(times_us) != len(boot_us):
            raise ValueError(
                f"{len(values)} values for {len(columns)} columns and {len(times_us)} rows of {self.source}"
            )
        now_s = monotonic_s()
        changed = columns is not self._columns and columns != self._columns
        if changed or self.rate_hz != self._rate_told_hz or not self._head:
            self._begin(columns)
        self._columns = columns
        head = self._head
        if changed or now_s - self._named_at_s >= SERIES_EVERY_S:
            self._named_at_s = now_s
            head = self._named_head
        self._producer._publish_rows(self._topic, head, times_us, boot_us, values, more)

    def _begin(self, columns: tuple[Series, ...]) -> None:
        """Spells out what all rows of these columns have in common."""
        schema = schema_hash(columns)
        head = SampleBatch(
            producer=self._producer.producer,
            source=self.source,
            group=self.group,
            rate_hz=self.rate_hz,
            schema=schema,
            shown_only=self.shown_only,
        )
        self._head = head.SerializeToString()
        self._named_head = self._head + self._producer._name(schema, columns, self.source)
        self._rate_told_hz = self.rate_hz
