"""Journal and consumer as a state machine (SECURITY R12): crash anywhere, nothing lost, nothing twice."""

import os

import hypothesis.strategies as st
import peewee
from hypothesis import settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bus.journal.journal import Cursors, Journal
from bus.journal.replay import chunked
from bus.journal.ring_file import Row


class JournalAndCursor(RuleBasedStateMachine):
    """A producer commits state with journal rows and publishes; a consumer applies rows with its cursor.

    Any step may be cut off by a crash. The oracle is a plain list of what the producer committed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.producer_db = peewee.SqliteDatabase(":memory:")
        self.consumer_db = peewee.SqliteDatabase(":memory:")
        self.journal = Journal(self.producer_db, new_epoch=7)
        self.cursors = Cursors(self.consumer_db)
        self.consumer_db.execute_sql("CREATE TABLE applied (seq INTEGER NOT NULL)")
        self.committed: list[int] = []
        self.wire: list[Row] = []

    @rule(crash=st.sampled_from(["no", "before commit", "between commit and publish"]))
    def produce(self, crash: str) -> None:
        with self.producer_db.atomic() as transaction:
            row = self.journal.append("1/control/x/", b"value")
            if crash == "before commit":
                transaction.rollback()
                return
        self.committed.append(row.seq)
        if crash == "no":
            self.wire.append(row)

    @precondition(lambda self: self.wire)
    @rule(lose=st.booleans(), twice=st.booleans(), position=st.integers(0, 5), crash=st.booleans())
    def deliver(self, lose: bool, twice: bool, position: int, crash: bool) -> None:
        row = self.wire.pop(min(position, len(self.wire) - 1))
        if lose:
            return
        for _ in range(1 + twice):
            epoch, seq = self.cursors.get("p", "events")
            if (row.epoch, row.seq) > (epoch, seq + 1):
                self.replay(crash)  # a gap: pull, the row itself comes with it
            else:
                self.apply(row, crash)

    @rule(crash=st.booleans())
    def replay(self, crash: bool) -> None:
        held = self.journal.held(*self.cursors.get("p", "events"))
        for chunk in chunked(held):
            for row in chunk.rows:
                self.apply(Row(row.epoch, row.seq, row.topic, row.payload), crash)

    def apply(self, row: Row, crash: bool) -> None:
        with self.consumer_db.atomic() as transaction:
            if self.cursors.advance("p", "events", row.epoch, row.seq):
                self.consumer_db.execute_sql("INSERT INTO applied VALUES (?)", (row.seq,))
            if crash:
                transaction.rollback()

    def applied(self) -> list[int]:
        return [row[0] for row in self.consumer_db.execute_sql("SELECT seq FROM applied ORDER BY rowid").fetchall()]

    @invariant()
    def what_was_applied_is_the_beginning_of_what_was_committed(self) -> None:
        applied = self.applied()
        assert applied == self.committed[: len(applied)]

    @invariant()
    def the_head_is_the_newest_committed_row(self) -> None:
        assert self.journal.head() == (self.committed[-1] if self.committed else 0)

    def teardown(self) -> None:
        # The next heartbeat shows a head ahead of the cursor: one pull brings everything.
        self.replay(crash=False)
        assert self.applied() == self.committed


TestJournalAndCursor = JournalAndCursor.TestCase
# 2,000 runs of 50 steps belong to the faults (WFMON_JOURNAL_RUNS); here a shorter look at each change.
TestJournalAndCursor.settings = settings(
    max_examples=int(os.environ.get("WFMON_JOURNAL_RUNS", "100")), stateful_step_count=50, deadline=None
)


def test_trimming_keeps_the_head_and_the_newest_rows() -> None:
    journal = Journal(peewee.SqliteDatabase(":memory:"), new_epoch=1)
    for _ in range(10):
        journal.append("t/", b"")
    assert journal.trim(keep=3) == 7
    held = journal.held(1, 0)
    assert [row.seq for row in held.rows] == [8, 9, 10]
    assert held.oldest == (1, 8)
    assert journal.trim(keep=0) == 3
    assert journal.head() == 10


def test_a_fresh_database_has_a_later_epoch_and_is_sent_whole() -> None:
    journal = Journal(peewee.SqliteDatabase(":memory:"), new_epoch=9)
    journal.append("t/", b"x")
    assert [row.seq for row in journal.held(5, 400).rows] == [1]
    assert list(journal.held(12, 0).rows) == []
