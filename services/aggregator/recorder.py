"""From the rings into chunks, every ten seconds, with the cursors that reach up to them (DESIGN §5.4)."""

import asyncio
import sqlite3
from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import peewee
from wfmonitor.v1.event_pb2 import Event

from bus.database import DatabaseReplaced, DiskFull
from bus.logs import ServiceLogger
from services.aggregator.batch import Batch
from services.aggregator.inbox import Position
from services.aggregator.recording import Recording
from services.aggregator.rings import Rings
from services.aggregator.table import RingTable
from services.aggregator.transaction import RowBlock

FLUSH_S = 10.0
# Held in memory while the file cannot be written.
MAX_UNSAVED_EVENTS = 1000


class Chunks(Protocol):
    """What the recorder needs of the store."""

    async def write(self, blocks: list[RowBlock], cursors: Mapping[str, Position]) -> bool: ...
    def lost(self, reason: str, what: str, samples: int) -> None: ...


class Events(Protocol):
    """Where events are kept."""

    async def keep(self, events: list[Event]) -> None: ...


class Recorder:
    """Takes what is new in the rings and hands it to the store."""

    def __init__(
        self,
        rings: Rings,
        recording: Recording,
        store: Chunks,
        events: Events,
        applied: Callable[[], Mapping[str, Position]],
        log: ServiceLogger,
    ) -> None:
        self._rings = rings
        self._recording = recording
        self._store = store
        self._events = events
        self._applied = applied
        self._log = log
        self._unsaved: list[Event] = []
        self._turn = asyncio.Lock()
        self.lost_events = 0
        """Events that came while the file could not be written and memory held no more."""
        self.trouble = ""
        """Why events could not be kept; empty when they were."""

    def event(self, event: Event) -> None:
        """Keeps an event with the next flush, as far as the settings allow."""
        kept = self._recording.event(event)
        if kept is None:
            return
        if len(self._unsaved) < MAX_UNSAVED_EVENTS:
            self._unsaved.append(kept)
        else:
            self.lost_events += 1

    @property
    def unsaved_events(self) -> list[Event]:
        """Events that are not in the file yet."""
        return list(self._unsaved)

    def refused(self, batch: Batch) -> None:
        """Counts what the rings had no room for."""
        self._store.lost("refused", str(batch.key), batch.samples)

    async def flush(self) -> bool:
        """Commits all that is new. False: it waits (the store says why), and goes with a later flush."""
        async with self._turn:
            if not await self._flush_events():
                return False
            blocks = [block for table in self._rings for block in self._blocks(table)]
            return await self._store.write(blocks, dict(self._applied()))

    async def _flush_events(self) -> bool:
        """Before the cursors that pass over them: an event lost in between would be lost for good.

        Also those that come in meanwhile: at its end nothing waits, and the caller takes the cursors at once.
        """
        try:
            while saved := list(self._unsaved):
                await self._events.keep(saved)
                del self._unsaved[: len(saved)]
        except (DiskFull, DatabaseReplaced, peewee.PeeweeException, sqlite3.Error, OSError) as error:
            # The rows stay in the rings meanwhile.
            self.trouble = f"events could not be kept: {error}"
            self._log.warning("events wait to be kept", reason=str(error))
            return False
        self.trouble = ""
        return True

    def _blocks(self, table: RingTable) -> list[RowBlock]:
        """The rows since the last flush, as far as they may be written; copies, since the ring moves on."""
        missed = table.first - table.stored
        a, b = table.positions(table.stored)
        table.stored = table.appended
        if table.shown_only or a >= b:
            return []
        blocks = []
        for schema, x, y in table.runs(a, b):
            columns = table.columns(schema)
            allowed = self._recording.columns(columns.series)
            if not len(allowed):
                continue
            if missed > 0:
                self._store.lost("ring_overrun", str(table.key), missed * len(allowed))
                missed = 0
            series = tuple(columns.series[at] for at in allowed.tolist())
            values = np.ascontiguousarray(table.values[columns.at[allowed], x:y])
            times_us, boot_us = table.times_us[x:y].copy(), table.boot_us[x:y].copy()
            blocks.append(RowBlock(table.key, table.rate_hz, series, times_us, boot_us, values))
        return blocks
