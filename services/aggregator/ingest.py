"""From the bus into the rings: each message once and in order, and on to whoever watches (DESIGN §5.3).

The inbox decides, this obeys: it applies, pulls what is missing from the producers, and reports losses.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

import grpc
from google.protobuf.message import DecodeError
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.sample_pb2 import SampleBatch

from bus import topics
from bus.clock import monotonic_s
from bus.journal.replay import Held
from bus.logs import ServiceLogger
from services.aggregator.batch import BadBatch, Batch, Names, read_batch
from services.aggregator.inbox import START, Apply, Ask, Command, Inbox, Lost, Position
from services.aggregator.rings import RingFull, Rings
from services.aggregator.table import RING_S, RingTable

# Commands obeyed in one go, about 10 ms: then the loop breathes.
AT_ONCE = 250
# After a store that failed, ingest goes on for so long before it tries again.
ROOM_EVERY_S = 10.0
# A producer that could not be asked is asked again after so long, doubling up to the last.
RETRY_S = (0.1, 2.0)
# Then it is left alone until it is heard of again.
PATIENCE_S = 10.0
JOURNAL = "samples"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A place in a producer's sequence whose content is none: counted, and passed over."""

    reason: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """A batch out of a journal, parsed when its turn comes: thousands wait, ten times as large as arrays."""

    payload: bytes


Item = Batch | Event | Unreadable | Replayed
MakeRoom = Callable[[], Awaitable[bool]]  # stores what waits in the rings
Pull = Callable[[str, Position], Awaitable[Held]]


class Watcher(Protocol):
    """Whoever is told of what came in."""

    def rows(self, batch: Batch, *, stored: bool) -> None: ...
    def event(self, event: Event, *, stored: bool) -> None: ...
    def lost(self, loss: Lost) -> None: ...
    def refused(self, batch: Batch, reason: str) -> None: ...


class Ingest:
    """Feeds the rings. `pull` asks a producer for its journal; it raises grpc.aio.AioRpcError where it cannot.

    `answers(name)`: whether a service of that name is there to be asked. Nobody else is met: each name would be
    asked for ever.
    """

    def __init__(
        self,
        rings: Rings,
        stored: dict[str, Position],
        pull: Pull,
        watcher: Watcher,
        log: ServiceLogger,
        make_room: MakeRoom,
        answers: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._rings = rings
        self._stored = stored
        self._pull = pull
        self._watcher = watcher
        self._log = log
        self._make_room = make_room
        self._answers = answers
        self._room_asked_s = float("-inf")
        self._inbox: Inbox[Item] = Inbox(stored, self._readable)
        self._commands: deque[Command[Item]] = deque()
        self._scheduled = False
        self._names = Names()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused: set[str] = set()
        self.applied: dict[str, Position] = {}
        """Producer → up to where everything is in the rings: what may be stored as its cursor with them."""
        self.batches = 0
        self.samples = 0
        self.rejected = 0

    @property
    def counters(self) -> dict[str, float]:
        """For Health."""
        return {
            "batches_total": self.batches,
            "samples_total": self.samples,
            "duplicates_total": self._inbox.duplicates,
            "gaps_total": self._inbox.gaps,
            "lost_messages_total": self._inbox.lost,
            "rejected_total": self.rejected,
            "foreign_total": self._inbox.foreign,
            "held_back": self._inbox.pending + len(self._commands),
        }

    @property
    def behind(self) -> bool:
        """Whether rows are known to be missing, and on their way."""
        return bool(self._tasks or self._commands)

    def meet_again(self) -> None:
        """Asks everybody known from an earlier life at once: rings are full again before the first heartbeat."""
        for producer in self._stored:
            self._take(self._inbox.meet(producer))

    # -- from the bus -------------------------------------------------------------------------

    def on_sample(self, _topic: str, payload: bytes) -> None:
        message = SampleBatch.FromString(payload)
        if not message.producer or not message.epoch or not message.seq:
            raise BadBatch("producer, epoch and seq must be named")
        self._meet(message.producer)
        self._take(self._inbox.offer(message.producer, Position(message.epoch, message.seq), self._item(message)))

    def on_event(self, _topic: str, payload: bytes) -> None:
        event = Event.FromString(payload)
        if event.seq:
            self._meet(event.producer)
            self._take(self._inbox.offer(event.producer, Position(event.epoch, event.seq), event))
        else:
            self._watcher.event(event, stored=False)

    def on_health(self, health: Health) -> None:
        heads = {head.epoch: head.seq for head in health.heads if head.journal == JOURNAL}
        if heads:
            self._meet(health.service)
            self._take(self._inbox.heads(health.service, heads))

    def _meet(self, producer: str) -> None:
        """Raises BadBatch for a name that nobody answers to; a real one is heard of again with its next health."""
        if not self._inbox.knows(producer) and not self._answers(producer):
            raise BadBatch(f"no service {producer[:40]!r} is here to be asked")

    def _item(self, message: SampleBatch) -> Item:
        try:
            return read_batch(message, self._names)
        except BadBatch as fault:
            return Unreadable(f"{message.producer}: {fault}")

    # -- obeying ------------------------------------------------------------------------------

    def _readable(self, item: Item) -> bool:
        return self._rings.knows(item) if isinstance(item, Batch) else True

    def _take(self, commands: list[Command[Item]]) -> None:
        self._commands.extend(commands)
        if not self._scheduled:
            self._obey()

    def _obey(self) -> None:
        self._scheduled = False
        for _ in range(min(AT_ONCE, len(self._commands))):
            command = self._commands.popleft()
            match command:
                case Apply(producer=producer, at=at):
                    table = self._apply(command)
                    self.applied[producer] = max(at, self.applied.get(producer, at))
                    if table is not None and table.crowded and monotonic_s() > self._room_asked_s + ROOM_EVERY_S:
                        self._scheduled = True
                        self._spawn(self._store_first())
                        return
                case Lost():
                    self._watcher.lost(command)
                case Ask(producer=producer, after=after):
                    self._spawn(self._ask(producer, after))
        if self._commands:
            self._scheduled = True
            asyncio.get_running_loop().call_soon(self._obey)

    async def _store_first(self) -> None:
        """Ten minutes of a producer are more than a ring holds: what has come is stored before more is taken.

        Where it cannot be stored (a full disk) ingest goes on all the same, and what is overrun is counted.
        """
        if not await self._make_room():
            self._room_asked_s = monotonic_s()
        self._obey()

    def _apply(self, command: Apply[Item]) -> RingTable | None:
        item, stored = command.payload, command.stored
        if isinstance(item, Replayed):
            item = self._item(SampleBatch.FromString(item.payload))
        try:
            match item:
                case Event():
                    self._watcher.event(item, stored=stored)
                case Unreadable():
                    self._reject(item.reason)
                case Batch():
                    table = self._rings.append(item, stored=stored)
                    self.batches += 1
                    self.samples += item.values.size
                    self._watcher.rows(item, stored=stored)
                    return table
        except (RingFull, KeyError) as refusal:
            self._reject(str(refusal))
            if isinstance(item, Batch) and not stored:
                self._watcher.refused(item, str(refusal))
        return None

    def _reject(self, reason: str) -> None:
        self.rejected += 1
        if reason not in self._refused and len(self._refused) < 100:
            self._refused.add(reason)
            self._log.warning("samples were refused", reason=reason)

    # -- pulling ------------------------------------------------------------------------------

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _ask(self, producer: str, after: Position) -> None:
        wait_s, longest_s = RETRY_S
        deadline_s = monotonic_s() + PATIENCE_S
        while True:
            try:
                held = await self._pull(producer, after)
                break
            except grpc.aio.AioRpcError as error:
                if monotonic_s() > deadline_s:
                    self._log.warning("a producer does not answer", producer=producer, reason=error.details() or "")
                    self._inbox.unanswered(producer)
                    return
                await asyncio.sleep(wait_s)
                wait_s = min(2 * wait_s, longest_s)
        items = list(_items(held, self._stored.get(producer, START)))
        self._take(self._inbox.answered(producer, after, items, Position(*held.oldest)))

    async def close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _items(held: Held, stored: Position) -> Iterator[tuple[Position, Item]]:
    """A journal's rows as items, without those that are neither to be stored nor young enough for a ring.

    Ten minutes of a producer are some 10,000 rows; half of them are parsed and passed over.
    """
    oldest_us = _held_until_us(held) - RING_S * 1_000_000
    names: dict[tuple[str, int, int], SampleBatch] = {}  # of batches passed over, for those that come after
    for row in held.rows:
        at = Position(row.epoch, row.seq)
        try:
            if row.topic.startswith(topics.EVENTS):
                yield at, Event.FromString(row.payload)
                continue
            message = SampleBatch.FromString(row.payload)
        except DecodeError as fault:
            yield at, Unreadable(f"{row.topic}: {fault}")
            continue
        table = (message.source, message.group, message.schema)
        if at <= stored and message.times_us and message.times_us[-1] <= oldest_us:
            if message.series:
                names[table] = SampleBatch(series=message.series)
            continue
        named = names.pop(table, None)
        if named is not None and not message.series:
            message.MergeFrom(named)
            yield at, Replayed(message.SerializeToString())
        else:
            yield at, Replayed(row.payload)


def _held_until_us(held: Held) -> int:
    """Time of the newest batch; 0 where there is none."""
    for row in reversed(held.rows):
        if row.topic.startswith(topics.SAMPLES):
            with suppress(DecodeError):
                return max(SampleBatch.FromString(row.payload).times_us, default=0)
    return 0
