"""Sessions of pages on disk, as hashes, so that a restart of the gateway logs nobody out."""

from collections.abc import Callable, Sequence

import peewee

from bus.database import Database, DatabaseReplaced, DiskFull, Quarantined
from services.gateway.access import Session


class SessionRow(peewee.Model):
    """One open session; the token itself is nowhere."""

    hash = peewee.BlobField(primary_key=True)
    opened_us = peewee.BigIntegerField()

    class Meta:
        table_name = "session"


class SessionStore:
    """The gateway's own SQLite file. `on_loss` is told what a restart will have forgotten, and why."""

    def __init__(self, database: Database, on_loss: Callable[[str], None]) -> None:
        self._database = database
        self._on_loss = on_loss
        if database.quarantined:
            self._tell(database.quarantined)

    def load(self) -> list[Session]:
        """Every session kept, dead ones in it (the keyring forgets them)."""
        return self._database.read_sync(
            lambda _: [Session(bytes(row.hash), int(row.opened_us)) for row in SessionRow.select()]
        )

    async def keep(self, sessions: Sequence[Session]) -> None:
        """Makes these the ones on disk, in one transaction. A full disk is told, not raised: they live in memory."""

        def write(_: peewee.SqliteDatabase) -> None:
            SessionRow.delete().execute()
            SessionRow.insert_many([{"hash": one.hash, "opened_us": one.opened_us} for one in sessions]).execute()

        try:
            try:
                await self._database.run(write)
            except DatabaseReplaced as replaced:
                self._tell(replaced.quarantined)
                await self._database.run(write)
        except DiskFull as full:
            self._on_loss(f"open pages will have to be opened anew after a restart of the gateway: {full}")

    def _tell(self, lost: Quarantined) -> None:
        self._on_loss(f"pages have to be opened anew: {lost.reason}; the broken file was kept as {lost.path}")
