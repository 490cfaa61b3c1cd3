"""The inbox: in order, once, and every loss counted."""

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from services.aggregator.inbox import START, Apply, Ask, Inbox, Lost, Position

P = "collector"


def applied(commands: list[object]) -> list[Position]:
    return [command.at for command in commands if isinstance(command, Apply)]


def level(stored: Position = START, held: int = 0, epoch: int = 10) -> Inbox[str]:
    """An inbox that has been answered once: `held` items of `epoch` lie in the producer's file."""
    inbox: Inbox[str] = Inbox({P: stored} if stored != START else {})
    inbox.heads(P, {epoch: held})
    inbox.answered(P, START, [(Position(epoch, n), "x") for n in range(1, held + 1)], Position(epoch, 1))
    return inbox


def test_first_item_of_a_stranger_asks_for_everything_it_holds() -> None:
    inbox: Inbox[str] = Inbox({})
    assert inbox.offer(P, Position(10, 7), "g") == [Ask(P, START)]
    commands = inbox.answered(P, START, [(Position(10, n), "x") for n in range(4, 8)], Position(10, 4))
    assert applied(commands) == [(10, 4), (10, 5), (10, 6), (10, 7)]
    assert inbox.lost == 0


def test_items_in_order_pass_straight_through() -> None:
    inbox = level(held=2)
    assert applied(inbox.offer(P, Position(10, 3), "c")) == [(10, 3)]
    assert inbox.offer(P, Position(10, 3), "c") == []
    assert inbox.duplicates == 1


def test_gap_is_held_back_and_asked_for_once() -> None:
    inbox = level(held=2)
    assert inbox.offer(P, Position(10, 5), "e") == [Ask(P, Position(10, 2))]
    assert inbox.offer(P, Position(10, 6), "f") == []
    items = [(Position(10, n), "x") for n in (3, 4, 5)]
    assert applied(inbox.answered(P, Position(10, 2), items, Position(10, 1))) == [(10, n) for n in (3, 4, 5, 6)]


def test_item_that_its_producer_does_not_know_is_dropped_and_the_real_ones_go_on() -> None:
    """One turned bit in an epoch: believed, it would make every real item look like an old one."""
    inbox = level(held=2)
    forged = Position(99, 7)
    assert inbox.offer(P, forged, "!") == [Ask(P, Position(10, 2))]
    assert inbox.answered(P, Position(10, 2), [], Position(10, 1)) == []
    assert inbox.reached(P) == (10, 2)
    assert (inbox.foreign, inbox.pending, inbox.lost) == (1, 0, 0)
    assert applied(inbox.offer(P, Position(10, 3), "c")) == [(10, 3)]


def test_head_that_its_producer_does_not_know_counts_nothing_as_lost() -> None:
    inbox = level(held=2)
    assert inbox.heads(P, {10: 2, 11: 1 << 60}) == [Ask(P, Position(10, 2))]
    assert inbox.answered(P, Position(10, 2), [], Position(10, 1)) == []
    commands = inbox.offer(P, Position(12, 1), "x")  # the producer's next life
    assert commands == [Ask(P, Position(10, 2))]
    assert applied(inbox.answered(P, Position(10, 2), [(Position(12, 1), "x")], Position(10, 1))) == [(12, 1)]
    assert inbox.lost == 0


def test_lost_last_message_is_found_by_the_head_in_health() -> None:
    inbox = level(held=2)
    assert inbox.heads(P, {10: 2}) == []
    assert inbox.heads(P, {10: 3}) == [Ask(P, Position(10, 2))]


def test_producer_that_was_known_is_asked_before_it_speaks_and_again_when_it_did_not_answer() -> None:
    inbox: Inbox[str] = Inbox({P: Position(10, 3)})
    assert inbox.meet(P) == [Ask(P, START)]
    assert inbox.meet(P) == []
    inbox.unanswered(P)
    assert inbox.offer(P, Position(10, 4), "d") == [Ask(P, START)]
    held = [(Position(10, 4), "d")]
    assert applied(inbox.answered(P, START, held, Position(10, 4))) == [(10, 4)]


def test_item_dropped_while_the_answer_travels_is_asked_for_not_counted_lost() -> None:
    inbox = level(held=2)
    inbox.offer(P, Position(10, 4), "d")
    inbox.offer(P, Position(10, 7), "g")  # 6 was dropped after the producer read its file
    commands = inbox.answered(P, Position(10, 2), [(Position(10, n), "x") for n in (3, 4, 5)], Position(10, 1))
    assert applied(commands) == [(10, 3), (10, 4), (10, 5)]
    assert commands[-1] == Ask(P, Position(10, 5))
    assert inbox.lost == 0


def test_old_epoch_is_finished_before_the_new_one_begins() -> None:
    inbox = level(held=2)
    assert inbox.offer(P, Position(20, 1), "new") == [Ask(P, Position(10, 2))]
    items = [(Position(10, 3), "tail"), (Position(20, 1), "new")]
    assert applied(inbox.answered(P, Position(10, 2), items, Position(10, 1))) == [(10, 3), (20, 1)]


def test_what_the_producer_gave_up_is_counted_exactly() -> None:
    inbox: Inbox[str] = Inbox({P: Position(10, 50)})
    inbox.heads(P, {10: 80})
    commands = inbox.answered(P, START, [(Position(10, n), "x") for n in range(71, 81)], Position(10, 71))
    assert Lost(P, 10, 51, 70) in commands
    assert inbox.lost == 20


def test_after_a_restart_the_ring_is_filled_and_nothing_is_stored_twice() -> None:
    inbox: Inbox[str] = Inbox({P: Position(10, 3)})
    inbox.heads(P, {10: 5})
    commands = inbox.answered(P, START, [(Position(10, n), "x") for n in range(1, 6)], Position(10, 1))
    assert [(c.at.seq, c.stored) for c in commands if isinstance(c, Apply)] == [
        (1, True),
        (2, True),
        (3, True),
        (4, False),
        (5, False),
    ]


def test_unknown_columns_are_asked_for() -> None:
    inbox: Inbox[str] = Inbox({}, readable=lambda payload: payload != "unnamed")
    inbox.offer(P, Position(10, 1), "a")
    inbox.answered(P, START, [(Position(10, 1), "a")], Position(10, 1))
    assert inbox.offer(P, Position(10, 2), "unnamed") == [Ask(P, Position(10, 1))]
    assert applied(inbox.answered(P, Position(10, 1), [(Position(10, 2), "named")], Position(10, 1))) == [(10, 2)]


def test_held_back_items_are_bounded_and_still_all_come() -> None:
    inbox: Inbox[str] = Inbox({}, max_pending=3)
    for n in range(1, 10):
        inbox.offer(P, Position(10, n), "x")
    assert inbox.pending == 3
    commands = inbox.answered(P, START, [(Position(10, 1), "x")], Position(10, 1))
    assert applied(commands) == [(10, 1), (10, 2), (10, 3)]
    assert inbox.heads(P, {10: 9}) == [Ask(P, Position(10, 3))]


@dataclass
class Producer:
    """A producer with a bounded file, as bus/samples.py behaves."""

    epoch: int = 1
    seq: int = 0
    file: list[Position] = field(default_factory=list)
    published: set[Position] = field(default_factory=set)

    def publish(self) -> Position:
        self.seq += 1
        at = Position(self.epoch, self.seq)
        self.file = [*self.file, at][-12:]
        self.published.add(at)
        return at

    def heads(self) -> dict[int, int]:
        return {at.epoch: at.seq for at in self.file}


class LossyBus(RuleBasedStateMachine):
    """Messages are dropped and doubled, both sides are killed at any time; still each item counts once."""

    def __init__(self) -> None:
        super().__init__()
        self.producer = Producer()
        self.chunks: list[Position] = []
        self.stored = START
        self.counted: set[Position] = set()
        self.start_aggregator()

    def start_aggregator(self) -> None:
        self.inbox: Inbox[str] = Inbox({P: self.stored} if self.stored != START else {}, max_pending=6)
        self.asked: tuple[Position, list[Position], Position] | None = None
        self.in_memory: list[Position] = []
        self.handed: list[Position] = []

    def obey(self, commands: list[object]) -> None:
        for command in commands:
            if isinstance(command, Apply):
                assert not self.handed or command.at > self.handed[-1], "out of order or twice"
                self.handed.append(command.at)
                if not command.stored:
                    self.in_memory.append(command.at)
            elif isinstance(command, Lost):
                gone = {Position(command.epoch, n) for n in range(command.first, command.last + 1)}
                assert gone <= self.producer.published, "counted as lost what was never published"
                assert not gone & set(self.producer.file), "counted as lost what is still held"
                assert not gone & set(self.chunks), "counted as lost what is stored"
                self.counted |= gone
            elif isinstance(command, Ask):
                file = self.producer.file
                self.asked = (command.after, [at for at in file if at > command.after], file[0] if file else START)

    @rule(copies=st.integers(0, 2))
    def publish(self, copies: int) -> None:
        at = self.producer.publish()
        for _ in range(copies):
            self.obey(self.inbox.offer(P, at, "x"))

    @rule()
    def health(self) -> None:
        self.obey(self.inbox.heads(P, self.producer.heads()))

    @precondition(lambda self: self.asked is not None)
    @rule(arrives=st.booleans())
    def answer(self, arrives: bool) -> None:
        assert self.asked is not None
        after, items, oldest = self.asked
        self.asked = None
        if arrives:
            self.obey(self.inbox.answered(P, after, [(at, "x") for at in items], oldest))
        else:
            self.inbox.unanswered(P)

    @rule()
    def commit(self) -> None:
        self.chunks += self.in_memory
        self.in_memory = []
        self.stored = self.inbox.cursors().get(P, self.stored)

    @rule()
    def kill_producer(self) -> None:
        self.producer.epoch += 1
        self.producer.seq = 0

    @rule()
    def kill_aggregator(self) -> None:
        self.start_aggregator()

    @invariant()
    def nothing_is_stored_twice(self) -> None:
        assert len(self.chunks) == len(set(self.chunks))

    def teardown(self) -> None:
        """Let everything arrive: each item still held is in a chunk or in memory."""
        self.publish(1)
        while self.asked is not None:
            self.answer(True)
        self.health()
        while self.asked is not None:
            self.answer(True)
        self.commit()
        assert set(self.producer.file) <= set(self.chunks)


class LossyBusAtLength(LossyBus):
    """The same, as often as SECURITY R12 asks for it."""


def _runs(count: int) -> settings:
    slow = [HealthCheck.too_slow]
    return settings(max_examples=count, stateful_step_count=50, deadline=None, suppress_health_check=slow)


TestLossyBus = LossyBus.TestCase
TestLossyBus.settings = _runs(200)
TestLossyBusAtLength = pytest.mark.long(pytest.mark.timeout(900)(LossyBusAtLength.TestCase))
TestLossyBusAtLength.settings = _runs(2000)
