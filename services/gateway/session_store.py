"""Sessions of pages on disk, as hashes, so that a restart of the gateway logs nobody out."""

import peewee

from bus.database import Database
from services.gateway.access import Session


class SessionRow(peewee.Model):
    """One open session; the token itself is nowhere."""

    hash = peewee.BlobField(primary_key=True)
    opened_us = peewee.BigIntegerField()

    class Meta:
        table_name = "session"


class SessionStore:
    """The gateway's own SQLite file."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def load(self) -> list[Session]:
        """Every session kept, dead ones in it (the keyring forgets them)."""
        return self._database.read_sync(
            lambda _: [Session(bytes(row.hash), int(row.opened_us)) for row in SessionRow.select()]
        )

    async def replace(self, opened: Session, gone: list[Session]) -> None:
        """Keeps a new session and forgets others, in one transaction."""

        def write(_: peewee.SqliteDatabase) -> None:
            if gone:
                SessionRow.delete().where(SessionRow.hash.in_([session.hash for session in gone])).execute()
            SessionRow.insert(hash=opened.hash, opened_us=opened.opened_us).execute()

        await self._database.run(write)
