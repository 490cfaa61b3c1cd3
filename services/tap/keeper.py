"""Takes records as requests end, keeps them together, publishes them once they are kept. Never blocks a request."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord

from bus import topics
from bus.context import ServiceContext
from bus.database import DatabaseReplaced, DiskFull
from services.tap.store import Store

# On a full disk so many wait for room; then the oldest go, counted.
_MOST_WAITING = 10_000
_AT_ONCE = 256
_AGAIN_S = 1.0
# Requests that end together are one transaction; and none holds up the first token of the next (0.6 ms, measured).
_TOGETHER_S = 0.1
_TRIM_EVERY_S = 3600.0
OWN = "tap"
# A cost may come before the record it belongs to; one without a record waits for as many others at most.
_MOST_COSTS = 256


class Keeper:
    """`put` a record; `run` keeps them."""

    def __init__(self, ctx: ServiceContext, store: Store, recording: Callable[[], bool]) -> None:
        self.lost_total = 0
        self._ctx = ctx
        self._store = store
        self._recording = recording
        self._waiting: deque[RequestRecord] = deque()
        self._costs: dict[str, RequestCost] = {}
        self._came = asyncio.Event()

    def put(self, record: RequestRecord) -> None:
        """Accept a record. With recording off it is shown, not kept; others' are on the bus already."""
        if not self._recording():
            if record.producer == OWN:
                self._ctx.publish(topics.request(record.model), record)
            return
        if len(self._waiting) >= _MOST_WAITING:
            self._waiting.popleft()
            self.lost_total += 1
        self._waiting.append(record)
        self._came.set()

    def put_cost(self, cost: RequestCost) -> None:
        """Accept what a request cost; of one that is not kept it is forgotten."""
        if not self._recording():
            return
        if len(self._costs) >= _MOST_COSTS:
            del self._costs[next(iter(self._costs))]
        self._costs[cost.id] = cost
        self._came.set()

    async def run(self) -> None:
        """Keep what comes, for as long as the service lives."""
        while True:
            await self._came.wait()
            await asyncio.sleep(_TOGETHER_S)
            self._came.clear()
            await self.drain()

    async def drain(self) -> None:
        """Keep what waits, and publish our own of it."""
        while self._waiting:
            batch = [self._waiting[index] for index in range(min(len(self._waiting), _AT_ONCE))]
            try:
                rows = await self._store.keep(batch)
            except DiskFull as full:
                self._ctx.degraded(f"requests are not recorded: {full}")
                await asyncio.sleep(_AGAIN_S)
                continue
            except DatabaseReplaced as replaced:
                self._tell_loss(str(replaced))
                continue
            self._ctx.degraded(None)
            kept = {record.id for record in batch}
            while self._waiting and self._waiting[0].id in kept:
                self._waiting.popleft()
            for row in rows:
                if RequestRecord.FromString(row.payload).producer == OWN:
                    self._ctx.publisher.send(row.topic, row.payload)
        await self._add_costs()

    async def _add_costs(self) -> None:
        if not self._costs:
            return
        try:
            for id_ in await self._store.add_costs(list(self._costs.values())):
                self._costs.pop(id_, None)
        except (DiskFull, DatabaseReplaced):
            self._costs.clear()  # the records stay without: absent, never wrong

    async def trim(self) -> None:
        """Remove what is too old, each hour."""
        while True:
            try:
                await self._store.trim(self._ctx.settings.number("tap.records.max_age_days"))
            except DiskFull as full:
                self._ctx.log.warning("old requests stay for now", error=str(full))
            except DatabaseReplaced as replaced:
                self._tell_loss(str(replaced))
            await asyncio.sleep(_TRIM_EVERY_S)

    def _tell_loss(self, what: str) -> None:
        title = f"records of requests began anew: {what}"
        self._ctx.emit("quarantine", "monitor:tap", title)
        self._ctx.log.error(title)
