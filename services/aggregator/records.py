"""What is kept beside samples: events to be marked on charts, and what things are, with the time of change."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import peewee
from wfmonitor.v1.event_pb2 import Event

from services.aggregator.store import Store
from services.aggregator.store_schema import EventRow, InfoRow, tuples

DAY_US = 86_400_000_000
EVENT_AGE_US = 90 * DAY_US
# A machine that restarts something each minute for 90 days stays below it; a fault that floods does not fill the disk.
EVENTS = 150_000


class Info(NamedTuple):
    """A value of a thing, and since when it is so."""

    subject: str
    name: str
    value: str
    time_us: int


class Records:
    """Events and info in the store's file. All methods raise DiskFull and DatabaseReplaced as Database.run does."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keep(self, events: Iterable[Event]) -> None:
        """Keep events; one with an id that is known already changes nothing."""
        rows = [(e.id, e.time_us, e.kind, e.source, e.SerializeToString()) for e in events]
        fields = (EventRow.id, EventRow.time_us, EventRow.kind, EventRow.source, EventRow.payload)
        if rows:
            await self._store.run(
                lambda _: [
                    EventRow.insert_many(rows[at : at + 100], fields).on_conflict_ignore().execute()
                    for at in range(0, len(rows), 100)
                ]
            )

    async def events(self, start_us: int, end_us: int, kind: str = "", limit: int = 0) -> list[Event]:
        """Events with a time in (start, end], oldest first; with a limit the newest of them."""
        query = EventRow.select(EventRow.payload).where(EventRow.time_us > start_us, EventRow.time_us <= end_us)
        if kind:
            query = query.where(EventRow.kind == kind)
        query = query.order_by(EventRow.time_us.desc(), EventRow.id.desc())
        if limit:
            query = query.limit(limit)
        rows = await self._store.read(lambda _: [bytes(row[0]) for row in tuples(query)])
        return [Event.FromString(payload) for payload in reversed(rows)]

    async def cut(self, now_us: int, *, age_us: int = EVENT_AGE_US, most: int = EVENTS) -> int:
        """Delete events that are too old or too many; how many went."""

        def delete(_: object) -> int:
            gone = int(EventRow.delete().where(EventRow.time_us < now_us - age_us).execute())
            newest = EventRow.select(EventRow.time_us).order_by(EventRow.time_us.desc())
            last = newest.offset(most).limit(1).scalar()
            if last is not None:
                gone += int(EventRow.delete().where(EventRow.time_us <= last).execute())
            return gone

        return await self._store.run(delete)

    async def note(self, subject: str, values: Mapping[str, str], time_us: int) -> int:
        """Write down what changed about a thing; how many values did."""

        def write(_: object) -> int:
            known = _newest(subject)
            changed = [
                (subject, n, v, time_us) for n, v in values.items() if known.get(n, ("", 0))[0] != v or n not in known
            ]
            if changed:
                InfoRow.insert_many(changed, (InfoRow.subject, InfoRow.name, InfoRow.value, InfoRow.time_us)).execute()
            return len(changed)

        return await self._store.run(write)

    async def info(self, subject: str) -> list[Info]:
        """What is known of a thing now."""
        found = await self._store.read(lambda _: _newest(subject))
        return [Info(subject, name, value, time_us) for name, (value, time_us) in sorted(found.items())]

    async def history(self, subject: str, name: str) -> list[Info]:
        """All values one property had, oldest first."""
        query = (
            InfoRow.select(InfoRow.subject, InfoRow.name, InfoRow.value, InfoRow.time_us)
            .where(InfoRow.subject == subject, InfoRow.name == name)
            .order_by(InfoRow.time_us, InfoRow.id)
        )
        return await self._store.read(lambda _: [Info(*row) for row in tuples(query)])


def _newest(subject: str) -> dict[str, tuple[str, int]]:
    order = InfoRow.select(InfoRow.name, InfoRow.value, InfoRow.time_us, peewee.fn.MAX(InfoRow.id)).where(
        InfoRow.subject == subject
    )
    return {name: (value, time_us) for name, value, time_us, _ in tuples(order.group_by(InfoRow.name))}
