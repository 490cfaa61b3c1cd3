"""What arrives, in order and once: duplicates fall away, gaps are pulled again, what is gone is counted.

Each producer numbers what it publishes (batches and events) with (epoch, seq): seq 1, 2, 3 … in an
epoch, and a later epoch for each of its starts. The inbox hands items on in that order, the end of an
older epoch before the first of a newer one. Pure: items, heads and replay answers go in, commands come
out; the shell applies, asks and reports (DESIGN §3).

    BEHIND ── ask ──► ASKED ── answer ──► LEVEL ── gap, head ahead, unknown schema ──► BEHIND
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

Payload = TypeVar("Payload")

# Held back while a gap is being pulled: 40 s of 25 messages a second. What does not fit is not lost,
# it is pulled from the producer's file later.
MAX_PENDING = 1000


class Position(NamedTuple):
    """Place in a producer's sequence; seq 0 stands before the first of an epoch."""

    epoch: int
    seq: int


START = Position(0, 0)


@dataclass(frozen=True, slots=True)
class Apply(Generic[Payload]):
    """Take this item now. `stored`: it lies in a chunk already, only memory wants it again."""

    producer: str
    at: Position
    payload: Payload
    stored: bool


@dataclass(frozen=True, slots=True)
class Ask:
    """Pull everything after a position from the producer, then call `answered` or `unanswered`."""

    producer: str
    after: Position


@dataclass(frozen=True, slots=True)
class Lost:
    """Items first … last of an epoch, `count` of them, that the producer no longer holds."""

    producer: str
    epoch: int
    first: int
    last: int

    @property
    def count(self) -> int:
        return self.last - self.first + 1


Command = Apply[Payload] | Ask | Lost


class State(Enum):
    BEHIND = "behind"  # something is missing and nobody has been asked yet
    ASKED = "asked"
    LEVEL = "level"


@dataclass(slots=True)
class _Producer(Generic[Payload]):
    stored: Position  # up to here everything is in chunks
    reached: Position = START  # up to here everything was handed on
    fresh: bool = True  # nothing was handed on yet: the ring is to be filled
    state: State = State.BEHIND
    pending: dict[Position, Payload] = field(default_factory=dict)
    asked_with: list[Position] = field(default_factory=list)  # held back when the question went out
    heads: dict[int, int] = field(default_factory=dict)  # epoch → newest seq it was seen to hold


class Inbox(Generic[Payload]):
    """One for all producers.

    `readable(payload)` says whether an item can be understood yet (a batch may name columns that were
    spelled out in an item still to come).
    """

    def __init__(
        self,
        stored: dict[str, Position],
        readable: Callable[[Payload], bool] = lambda _: True,
        max_pending: int = MAX_PENDING,
    ) -> None:
        self._stored = stored
        self._readable = readable
        self._max_pending = max_pending
        self._producers: dict[str, _Producer[Payload]] = {}
        self.duplicates = 0
        self.gaps = 0
        self.lost = 0
        self.foreign = 0
        """Items that their producer does not know: damaged on the way, or said by somebody else."""

    # -- what goes in -------------------------------------------------------------------------

    def offer(self, producer: str, at: Position, payload: Payload) -> list["Command[Payload]"]:
        """An item from the bus."""
        state = self._of(producer)
        if at <= state.reached or at in state.pending:
            self.duplicates += 1
            return []
        if state.state is State.LEVEL and self._follows(state.reached, at) and self._readable(payload):
            state.reached = at
            return [Apply(producer, at, payload, at <= state.stored), *self._drain(producer, state)]
        if len(state.pending) < self._max_pending:
            state.pending[at] = payload
        return self._ask(producer, state)

    def meet(self, producer: str) -> list["Command[Payload]"]:
        """Asks a producer before it has said anything."""
        return self._ask(producer, self._of(producer))

    def heads(self, producer: str, heads: dict[int, int]) -> list["Command[Payload]"]:
        """The newest item of each epoch that the producer says it holds (its Health)."""
        state = self._of(producer)
        for epoch, seq in heads.items():
            state.heads[epoch] = max(seq, state.heads.get(epoch, 0))
        if not heads or (state.state is State.LEVEL and self._newest(heads) <= state.reached):
            return []
        return self._ask(producer, state)

    def answered(
        self, producer: str, after: Position, items: Iterable[tuple[Position, Payload]], oldest: Position
    ) -> list["Command[Payload]"]:
        """The producer's answer to Ask(producer, after), in its order; `oldest`: the oldest it still holds."""
        state = self._of(producer)
        done: list[Command[Payload]] = []
        if state.fresh:
            before_oldest = Position(oldest.epoch, max(0, oldest.seq - 1))
            # Never met: what was gone before we came was never ours to lose. Met: the ring is filled
            # from the oldest held, and what is stored is not lost by being gone there.
            state.reached = before_oldest if state.stored == START else min(before_oldest, state.stored)
            if oldest == START:
                state.reached = state.stored
            state.fresh = False
        for at, payload in items:
            if at > state.reached:
                done += self._step(producer, state, at, payload)
        # A producer writes before it publishes: what was held back when the question went out and lies beyond its
        # answer was never its own. One such message taken at its word would make all real ones look like old ones.
        for at in state.asked_with:
            if state.pending.pop(at, None) is not None and at > state.reached:
                self.foreign += 1
        state.heads = {epoch: seq for epoch, seq in state.heads.items() if Position(epoch, seq) <= state.reached}
        state.state = State.LEVEL
        state.pending = {at: payload for at, payload in state.pending.items() if at > state.reached}
        done += self._drain(producer, state)
        if state.pending:
            done += self._ask(producer, state)
        return done

    def unanswered(self, producer: str) -> None:
        """The producer could not be asked: the next item, head or `retry` asks again."""
        self._of(producer).state = State.BEHIND

    def retry(self) -> list["Command[Payload]"]:
        """Asks again wherever something is missing and nobody is being asked."""
        return [
            ask
            for name, state in self._producers.items()
            if state.state is State.BEHIND
            for ask in self._ask(name, state)
        ]

    # -- what comes out -----------------------------------------------------------------------

    def knows(self, producer: str) -> bool:
        """Whether it was met, in this life or an earlier one."""
        return producer in self._producers or producer in self._stored

    def reached(self, producer: str) -> Position:
        """Everything up to here was handed on."""
        return self._of(producer).reached

    def cursors(self) -> dict[str, Position]:
        """What may be written down as done, for the transaction that stores it."""
        return {name: max(state.reached, state.stored) for name, state in self._producers.items() if not state.fresh}

    @property
    def pending(self) -> int:
        return sum(len(state.pending) for state in self._producers.values())

    # -- inside -------------------------------------------------------------------------------

    def _of(self, producer: str) -> _Producer[Payload]:
        state = self._producers.get(producer)
        if state is None:
            state = self._producers[producer] = _Producer(self._stored.get(producer, START))
        return state

    @staticmethod
    def _newest(heads: dict[int, int]) -> Position:
        epoch = max(heads)
        return Position(epoch, heads[epoch])

    @staticmethod
    def _follows(reached: Position, at: Position) -> bool:
        return at == (reached.epoch, reached.seq + 1)

    def _ask(self, producer: str, state: _Producer[Payload]) -> list["Command[Payload]"]:
        if state.state is State.ASKED:
            return []
        if not state.fresh:
            self.gaps += 1
        state.state = State.ASKED
        state.asked_with = sorted(state.pending)
        return [Ask(producer, state.reached)]

    def _step(
        self, producer: str, state: _Producer[Payload], at: Position, payload: Payload
    ) -> list["Command[Payload]"]:
        """Hands on an item that is proven to be the next one held, and counts what is missing before it."""
        done: list[Command[Payload]] = []
        expected = state.reached.seq + 1
        if at.epoch > state.reached.epoch:
            for epoch in sorted(e for e in state.heads if e < at.epoch):
                # The end of an epoch that is gone: as long as it was last seen to be.
                if epoch >= state.reached.epoch:
                    first = expected if epoch == state.reached.epoch else 1
                    done += self._miss(producer, state, epoch, first, state.heads[epoch])
                del state.heads[epoch]
            expected = 1
        done += self._miss(producer, state, at.epoch, expected, at.seq - 1)
        state.reached = at
        state.pending.pop(at, None)
        done.append(Apply(producer, at, payload, at <= state.stored))
        return done

    def _miss(self, producer: str, state: _Producer[Payload], epoch: int, first: int, last: int) -> list[Lost]:
        if epoch == state.stored.epoch:
            first = max(first, state.stored.seq + 1)
        elif epoch < state.stored.epoch:
            return []
        if first > last:
            return []
        self.lost += last - first + 1
        return [Lost(producer, epoch, first, last)]

    def _drain(self, producer: str, state: _Producer[Payload]) -> list["Command[Payload]"]:
        """Hands on what was held back and now follows."""
        done: list[Command[Payload]] = []
        while state.pending:
            at = Position(state.reached.epoch, state.reached.seq + 1)
            payload = state.pending.get(at)
            if payload is None or not self._readable(payload):
                break
            del state.pending[at]
            state.reached = at
            done.append(Apply(producer, at, payload, at <= state.stored))
        return done
