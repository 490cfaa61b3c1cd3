"""The transactional journal: state and the message about it are committed together, then published.

Both halves live in the owner's own SQLite file and run on its one thread: `Journal` for who publishes,
`Cursors` for who consumes. A consumer commits the effect of a row and the cursor in one transaction, so a
row is applied exactly once whatever is killed when.
"""

import peewee

from bus.journal.replay import Held
from bus.journal.ring_file import Row


class Journal:
    """Rows (epoch, seq, topic, payload). `epoch` is that of the database, so seq grows through restarts."""

    def __init__(self, database: peewee.SqliteDatabase, new_epoch: int) -> None:
        """Makes the tables where absent; `new_epoch` (wall µs) is used only for a fresh database."""
        self._database = database
        database.execute_sql("CREATE TABLE IF NOT EXISTS journal_epoch (epoch INTEGER NOT NULL)")
        database.execute_sql(
            "CREATE TABLE IF NOT EXISTS journal ("
            "seq INTEGER PRIMARY KEY AUTOINCREMENT, topic TEXT NOT NULL, payload BLOB NOT NULL)"
        )
        with database.atomic():
            found = database.execute_sql("SELECT epoch FROM journal_epoch").fetchone()
            if found is None:
                database.execute_sql("INSERT INTO journal_epoch VALUES (?)", (new_epoch,))
            self.epoch: int = found[0] if found else new_epoch

    def append(self, topic: str, payload: bytes) -> Row:
        """Call it inside the transaction that writes the state; publish the row after the commit."""
        cursor = self._database.execute_sql("INSERT INTO journal (topic, payload) VALUES (?, ?)", (topic, payload))
        return Row(self.epoch, int(cursor.lastrowid), topic, payload)

    def head(self) -> int:
        """The newest seq, 0 where nothing was ever written; stays where rows were trimmed."""
        found = self._database.execute_sql("SELECT seq FROM sqlite_sequence WHERE name = 'journal'").fetchone()
        return int(found[0]) if found else 0

    def held(self, epoch: int, since: int) -> Held:
        """Rows after (epoch, since). An older epoch means a database that is no more: everything is sent."""
        after = since if epoch == self.epoch else 0 if epoch < self.epoch else self.head()
        found = self._database.execute_sql(
            "SELECT seq, topic, payload FROM journal WHERE seq > ? ORDER BY seq", (after,)
        ).fetchall()
        oldest = self._database.execute_sql("SELECT MIN(seq) FROM journal").fetchone()[0]
        return Held([Row(self.epoch, seq, topic, payload) for seq, topic, payload in found], (self.epoch, oldest or 0))

    def trim(self, keep: int) -> int:
        """Keeps the newest `keep` rows; returns how many went."""
        cursor = self._database.execute_sql("DELETE FROM journal WHERE seq <= ?", (self.head() - keep,))
        return int(cursor.rowcount)


class Cursors:
    """How far this consumer has come in each producer's journal."""

    def __init__(self, database: peewee.SqliteDatabase) -> None:
        self._database = database
        database.execute_sql(
            "CREATE TABLE IF NOT EXISTS journal_cursor ("
            "producer TEXT NOT NULL, journal TEXT NOT NULL, epoch INTEGER NOT NULL, seq INTEGER NOT NULL, "
            "PRIMARY KEY (producer, journal))"
        )

    def get(self, producer: str, journal: str) -> tuple[int, int]:
        """(epoch, seq) of the last row applied; (0, 0) at first."""
        found = self._database.execute_sql(
            "SELECT epoch, seq FROM journal_cursor WHERE producer = ? AND journal = ?", (producer, journal)
        ).fetchone()
        return (int(found[0]), int(found[1])) if found else (0, 0)

    def advance(self, producer: str, journal: str, epoch: int, seq: int) -> bool:
        """Moves to (epoch, seq) in the caller's transaction; False, and nothing moves, for a row already applied."""
        if (epoch, seq) <= self.get(producer, journal):
            return False
        self._database.execute_sql(
            "INSERT INTO journal_cursor VALUES (?, ?, ?, ?) "
            "ON CONFLICT (producer, journal) DO UPDATE SET epoch = excluded.epoch, seq = excluded.seq",
            (producer, journal, epoch, seq),
        )
        return True
