"""The live frame: every new row since the last one, in columns, numbered (DESIGN §2).

Pure: batches, events, process tables and health go in, frames come out when the shell asks for one.
"""

from collections.abc import Iterator
from itertools import count
from weakref import WeakKeyDictionary

import numpy as np
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health, ServiceState
from wfmonitor.v1.live_pb2 import LiveFrame, LiveTable
from wfmonitor.v1.process_pb2 import ProcessTable
from wfmonitor.v1.request_pb2 import RequestRecord, TokenBurst

from bus.series import to_key
from services.aggregator.batch import Batch, TableKey
from services.aggregator.rings import Rings
from services.aggregator.table import RingTable

# Numbers in a frame: 0.5 MiB, half of what the bus lets through in one message.
MAX_VALUES = 1 << 16
# Bursts in a frame: at 60 frames a second, more than any machine of ours streams. What is over is counted.
MAX_BURSTS = 1000


class LiveComposer:
    """What the next frame will say. `epoch` is this start of the aggregator."""

    def __init__(self, epoch: int, rings: Rings) -> None:
        self.epoch = epoch
        self.seq = 0  # of the frame that left last
        self._rings = rings
        self._ids: dict[TableKey, int] = {}
        self._next_id = count(1)
        self._sent_schema: dict[TableKey, int] = {}
        # Schema, and how it is spelled out each second; forgotten with its table.
        self._names: WeakKeyDictionary[RingTable, tuple[int, LiveTable]] = WeakKeyDictionary()
        self._news: dict[TableKey, list[Batch]] = {}
        self._events: list[Event] = []
        self._health: dict[str, Health] = {}
        self._processes: ProcessTable | None = None
        self._tokens: list[TokenBurst] = []
        self._tokens_left_out = 0
        self._requests: list[RequestRecord] = []
        self._newest_health: dict[str, Health] = {}
        self._newest_processes: ProcessTable | None = None

    # -- what goes in -------------------------------------------------------------------------

    def batch(self, batch: Batch) -> None:
        self._news.setdefault(batch.key, []).append(batch)

    def event(self, event: Event) -> None:
        self._events.append(event)

    def health(self, health: Health) -> None:
        known = self._newest_health.get(health.service)
        # That an earlier life ended may be told after the next has spoken.
        ended = health.state == ServiceState.SERVICE_STATE_DOWN
        if known is not None and ended and known.pid != health.pid and known.started_us > health.time_us:
            return
        self._health[health.service] = self._newest_health[health.service] = health

    def processes(self, table: ProcessTable) -> None:
        self._processes = self._newest_processes = table

    def tokens(self, burst: TokenBurst) -> None:
        if len(self._tokens) < MAX_BURSTS:
            self._tokens.append(burst)
        else:
            self._tokens_left_out += sum(burst.tokens)

    def request(self, record: RequestRecord) -> None:
        self._requests.append(record)

    @property
    def healths(self) -> list[Health]:
        """The newest health of each service."""
        return list(self._newest_health.values())

    @property
    def has_news(self) -> bool:
        return bool(self._news or self._events or self._health or self._processes or self._tokens or self._requests)

    def forget_news(self) -> None:
        """Nobody listens: what has come is not kept for a frame (the rings have it)."""
        self._news.clear()
        self._forget_said()

    def _forget_said(self) -> None:
        self._events.clear()
        self._health.clear()
        self._processes = None
        self._tokens.clear()
        self._tokens_left_out = 0
        self._requests.clear()

    # -- what comes out -----------------------------------------------------------------------

    def frame(self, now_us: int, *, key: bool = False) -> LiveFrame | None:
        """The next frame, or None where there is no news and no key frame is asked for.

        A key frame names all tables and repeats the newest row of those without news.
        """
        if not key and not self.has_news:
            return None
        self.seq += 1
        frame = LiveFrame(epoch=self.epoch, seq=self.seq, key=key, time_us=now_us)
        self._add_news(frame, key)
        if key:
            for table in self._rings:
                if table.key not in self._sent_now:
                    self._add_rows(frame.tables.add(), table, *table.positions(table.appended - 1))
            frame.health.extend(self._newest_health.values())
            if self._newest_processes is not None:
                frame.processes.CopyFrom(self._newest_processes)
        else:
            frame.health.extend(self._health.values())
            if self._processes is not None:
                frame.processes.CopyFrom(self._processes)
        frame.events.extend(self._events)
        frame.tokens.extend(self._tokens)
        frame.tokens_left_out = self._tokens_left_out
        frame.requests.extend(self._requests)
        self._forget_said()
        return frame

    def _add_news(self, frame: LiveFrame, key: bool) -> None:
        self._sent_now: set[TableKey] = set()
        room = MAX_VALUES
        for table_key in list(self._news):
            batches = self._news.pop(table_key)
            while batches and room > 0:
                run = [batches.pop(0)]
                while batches and batches[0].schema == run[0].schema and room > 0:
                    room -= batches[0].values.size
                    run.append(batches.pop(0))
                room -= run[0].values.size
                if not self._add_run(frame, run, named=key):
                    break
                self._sent_now.add(table_key)
            if batches and self._rings.get(table_key) is not None:
                self._news[table_key] = batches

    def _add_run(self, frame: LiveFrame, run: list[Batch], *, named: bool) -> bool:
        """Batches of one schema, one after the other; False where their table is gone meanwhile."""
        first = run[0]
        table = self._rings.get(first.key)
        if table is None or not table.knows(first.schema):
            return False
        live = frame.tables.add(id=self._id(first.key), schema=first.schema, rate_hz=run[-1].rate_hz)
        if len(run) == 1:
            live.times_us.extend(first.times_us.tolist())
            live.values.extend(first.values.ravel().tolist())
        else:
            live.times_us.extend(np.concatenate([batch.times_us for batch in run]).tolist())
            live.values.extend(np.concatenate([batch.values for batch in run], axis=1).ravel().tolist())
        if named or self._sent_schema.get(first.key) != first.schema:
            self._name(live, table, first.schema)
            self._sent_schema[first.key] = first.schema
        return True

    def _id(self, key: TableKey) -> int:
        known = self._ids.get(key)
        if known is None:
            known = self._ids[key] = next(self._next_id)
        return known

    def _name(self, live: LiveTable, table: RingTable, schema: int) -> None:
        known, names = self._names.get(table, (None, None))
        if names is None or known != schema:
            names = LiveTable(source=table.key.source, group=table.key.group)
            names.series.extend(to_key(series, table.key.source) for series in table.columns(schema).series)
            self._names[table] = schema, names
        live.MergeFrom(names)

    def _add_rows(self, live: LiveTable, table: RingTable, a: int, b: int) -> None:
        """Rows [a, b) of a ring, which have one schema, with all names."""
        schema = table.runs(a, b)[0][0]
        live.id, live.schema, live.rate_hz = self._id(table.key), schema, table.rate_hz
        live.times_us.extend(table.times_us[a:b].tolist())
        live.values.extend(table.values[table.columns(schema).at, a:b].ravel().tolist())
        self._name(live, table, schema)
        self._sent_schema.setdefault(table.key, schema)

    def backfill(self, seconds: float, now_us: int) -> Iterator[LiveFrame]:
        """The rings' last seconds as key frames of at most half a MiB; 0: one with the newest rows.

        Their number is that of the frame that left last: what comes after it follows.
        """

        def fresh() -> LiveFrame:
            return LiveFrame(epoch=self.epoch, seq=self.seq, key=True, time_us=now_us)

        frame, room = fresh(), MAX_VALUES
        frame.health.extend(self._newest_health.values())
        if self._newest_processes is not None:
            frame.processes.CopyFrom(self._newest_processes)
        for table in list(self._rings):
            a, b = table.positions(table.appended - 1)
            if seconds > 0:
                a, b = table.between(now_us - round(seconds * 1e6), table.newest_us)
            for schema, x, y in table.runs(a, b):
                step = max(1, MAX_VALUES // len(table.columns(schema).at))
                for start in range(x, y, step):
                    end = min(start + step, y)
                    size = (end - start) * len(table.columns(schema).at)
                    if size > room and frame.tables:
                        yield frame
                        frame, room = fresh(), MAX_VALUES
                    room -= size
                    self._add_rows(frame.tables.add(), table, start, end)
        yield frame
