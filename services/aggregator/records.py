"""What is kept beside samples: events to be marked on charts, and what things are, with the time of change."""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import peewee
from wfmonitor.v1.event_pb2 import Event

from services.aggregator.store import Store
from services.aggregator.store_schema import EventRow, InfoRow, tuples

DAY_US = 86_400_000_000
EVENT_AGE_US = 90 * DAY_US
# Kinds of events whose attributes say what their source is (CONTRACTS §1, "info"), less what is of the event alone.
TELLING = frozenset({"model_info", "model_load"})
_OF_THE_EVENT = frozenset({"port", "reason", "load_ms", "load_ms_at_least", "load_ms_at_most"})
# A machine that restarts something each minute for 90 days stays below it; a fault that floods does not fill the disk.
EVENTS = 150_000
# A model has about eight; a runtime that tells ever new ones does not fill the disk either.
INFO = 20_000


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
        """Keep events, and what they say their sources are; one with an id that is known already changes nothing."""
        events = list(events)
        rows = [(e.id, e.time_us, e.kind, e.source, e.SerializeToString()) for e in events]
        fields = (EventRow.id, EventRow.time_us, EventRow.kind, EventRow.source, EventRow.payload)

        def write(_: object) -> None:
            for at in range(0, len(rows), 100):
                EventRow.insert_many(rows[at : at + 100], fields).on_conflict_ignore().execute()
            for info in told(events):
                _note(info.subject, {info.name: info.value}, info.time_us)

        if rows:
            await self._store.run(write)

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
        """Delete events that are too old or too many, and values of things beyond INFO; how many rows went."""

        def delete(_: object) -> int:
            gone = int(EventRow.delete().where(EventRow.time_us < now_us - age_us).execute())
            newest = EventRow.select(EventRow.time_us).order_by(EventRow.time_us.desc())
            last = newest.offset(most).limit(1).scalar()
            if last is not None:
                gone += int(EventRow.delete().where(EventRow.time_us <= last).execute())
            surplus = InfoRow.select(InfoRow.id).order_by(InfoRow.id.desc()).offset(INFO).limit(1).scalar()
            if surplus is not None:
                gone += int(InfoRow.delete().where(InfoRow.id <= surplus).execute())
            return gone

        return await self._store.run(delete)

    async def note(self, subject: str, values: Mapping[str, str], time_us: int) -> int:
        """Write down what changed about a thing; how many values did."""

        return await self._store.run(lambda _: _note(subject, values, time_us))

    async def info(self, subject: str) -> list[Info]:
        """What is known of a thing now; with a trailing "*" of all that begin so. By subject and name."""
        return await self._store.read(lambda _: _newest(subject))

    async def history(self, subject: str, name: str) -> list[Info]:
        """All values one property had, oldest first."""
        query = (
            InfoRow.select(InfoRow.subject, InfoRow.name, InfoRow.value, InfoRow.time_us)
            .where(InfoRow.subject == subject, InfoRow.name == name)
            .order_by(InfoRow.time_us, InfoRow.id)
        )
        return await self._store.read(lambda _: [Info(*row) for row in tuples(query)])


def told(events: Iterable[Event]) -> Iterator[Info]:
    """What events say their sources are, oldest first."""
    for event in sorted(events, key=lambda event: event.time_us):
        if event.kind in TELLING:
            for name, value in event.attributes.items():
                if name not in _OF_THE_EVENT:
                    yield Info(event.source, name, value, event.time_us)


def with_news(kept: Iterable[Info], events: Iterable[Event], subject: str) -> list[Info]:
    """What is kept, and over it what events say that are not kept yet. `subject` as `Records.info` takes it."""
    found = {(info.subject, info.name): info for info in kept}
    for info in told(events):
        known = found.get((info.subject, info.name))
        if _is_of(info.subject, subject) and (
            known is None or (known.value != info.value and known.time_us < info.time_us)
        ):
            found[info.subject, info.name] = info
    return [found[key] for key in sorted(found)]


def _is_of(subject: str, wanted: str) -> bool:
    return subject.startswith(wanted[:-1]) if wanted.endswith("*") else wanted in ("", subject)


def _note(subject: str, values: Mapping[str, str], time_us: int) -> int:
    known = {info.name: info.value for info in _newest(subject)}
    changed = [(subject, name, value, time_us) for name, value in values.items() if known.get(name) != value]
    if changed:
        InfoRow.insert_many(changed, (InfoRow.subject, InfoRow.name, InfoRow.value, InfoRow.time_us)).execute()
    return len(changed)


def _newest(subject: str) -> list[Info]:
    columns = (InfoRow.subject, InfoRow.name, InfoRow.value, InfoRow.time_us, peewee.fn.MAX(InfoRow.id))
    query = InfoRow.select(*columns)
    if subject.endswith("*"):
        # As a range, for the index; the last code point is in no name.
        query = query.where(InfoRow.subject >= subject[:-1], InfoRow.subject < subject[:-1] + "\U0010ffff")
    elif subject:
        query = query.where(InfoRow.subject == subject)
    grouped = query.group_by(InfoRow.subject, InfoRow.name).order_by(InfoRow.subject, InfoRow.name)
    return [Info(*row[:4]) for row in tuples(grouped)]
