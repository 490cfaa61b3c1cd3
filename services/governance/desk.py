"""The desk where changes are asked for: commits them, tells the targets, hears their answers, takes refusals
back.

Commit first, then publish: a kill in between leaves the change in the journal, from which its target replays
it, and `resume` publishes it again at the next start.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import NamedTuple

from wfmonitor.v1.control_pb2 import ControlChange, ControlResult

from bus.database import DatabaseReplaced, DiskFull
from bus.settings_catalogue import settings_catalogue
from services.governance.ledger import Committed, ConsentState
from services.governance.patience import patiently
from services.governance.store import Store

# Longer than this nobody waits at a page; the answer still counts when it comes later.
MAX_WAIT_S = 30.0
_OWN = "governance"

Publish = Callable[[Committed], None]


class Answer(NamedTuple):
    """What came of a request: the change asked for, and the target's answer, None where it is still out."""

    change: ControlChange
    result: ControlResult | None


class Desk:
    """One a service. `publish` puts a committed change on the bus and marks it on the charts."""

    def __init__(self, store: Store, publish: Publish) -> None:
        self._store = store
        self._publish = publish
        self._waiting: dict[str, asyncio.Future[ControlResult]] = {}
        self._results: asyncio.Queue[ControlResult] = asyncio.Queue()

    def put(self, result: ControlResult) -> None:
        """Take a target's answer from the bus; `run` hears it."""
        self._results.put_nowait(result)

    async def run(self, told: Callable[[str | None], None]) -> None:
        """Hear answers one after the other until cancelled; `told` as in `patiently`."""
        while True:
            result = await self._results.get()
            await patiently(partial(self.hear, result), told)

    async def resume(self) -> int:
        """Publish what a kill may have kept from the bus; return how many changes that were."""
        left = await self._store.unannounced()
        await self._announce(left)
        return len(left)

    async def change(self, key: str, value: str, actor: str, wait_s: float) -> Answer:
        """Set a setting and wait up to `wait_s` for its target. Raises SettingError, Refused."""
        made = await self._store.change(key, value, actor)
        if not made:
            return await self._already(key, actor)
        return await self._carry_out(made, wait_s)

    async def undo(self, change_id: str, actor: str, wait_s: float) -> Answer:
        """Take a change back. Raises UnknownChange, Refused."""
        return await self._carry_out(await self._store.undo(change_id, actor), wait_s)

    async def set_consent(self, target: str, given: bool, wording: str, actor: str) -> ConsentState:
        """Give or withdraw a consent; its setting follows. Raises UnknownConsent, Refused."""
        await self._announce(await self._store.set_consent(target, given, wording, actor))
        return next(state for state in await self._store.consents() if state.target == target)

    async def hear(self, result: ControlResult) -> None:
        """Take a target's answer. Where it refuses, all is set back before whoever waits is told."""
        compensation = await self._store.settle(result.id, result.target, result.applied, result.reason)
        if compensation is None:
            return
        await self._announce(compensation)
        waiting = self._waiting.get(result.id)
        if waiting is not None and not waiting.done():
            waiting.set_result(result)

    async def _carry_out(self, made: Sequence[Committed], wait_s: float) -> Answer:
        loop = asyncio.get_running_loop()
        # Before the first message leaves: an answer may be back sooner than we look.
        futures = {one.change.id: loop.create_future() for one in made}
        self._waiting |= futures
        try:
            await self._announce(made)
            if wait_s > 0:
                await asyncio.wait(futures.values(), timeout=min(wait_s, MAX_WAIT_S))
            results = [future.result() for future in futures.values() if future.done()]
        finally:
            for change_id in futures:
                del self._waiting[change_id]
        return Answer(made[0].change, _verdict(results, len(made)))

    async def _announce(self, made: Iterable[Committed]) -> None:
        made = list(made)
        for one in made:
            self._publish(one)
        if made:
            # Without this mark they are published once more at the next start, which does no harm.
            with contextlib.suppress(DiskFull, DatabaseReplaced):
                await self._store.mark_announced(one.change.id for one in made)
        for one in made:
            if one.target == _OWN:
                await self.hear(
                    ControlResult(
                        id=one.change.id, target=_OWN, applied=True, old=one.change.undo, new=one.change.value
                    )
                )

    async def _already(self, key: str, actor: str) -> Answer:
        value = (await self._store.settings()).values[key]
        change = ControlChange(key=key, value=value, undo=value, actor=actor)
        target = settings_catalogue()[key].target
        return Answer(change, ControlResult(target=target, applied=True, old=value, new=value, reason="already so"))


def _verdict(results: Sequence[ControlResult], wanted: int) -> ControlResult | None:
    """Return the first refusal, else the answer to the setting asked for once all have answered."""
    for result in results:
        if not result.applied:
            return result
    return results[0] if len(results) == wanted else None
