"""Probe tasks, opt-in: sent through the tap's own port to a model that is loaded while nobody asks anything.

It loads nothing, gives way within 50 ms when a person's request begins, and leaves a score and nothing else. A request
of it stands in the request log under the client `probe`.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from collections.abc import Callable, Coroutine, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import aiohttp

from bus.clock import monotonic_s
from bus.context import ServiceContext
from bus.home import write_private
from bus.model_names import plain_name
from bus.runtime_names import OLLAMA
from services.tap.meter import Figures
from services.tap.probe_tasks import Task, is_right, tasks
from services.tap.probe_tasks_loaded import Loaded, loaded_models
from services.tap.probe_tasks_plan import Plan
from services.tap.routes import RouteTable
from services.tap.scores import Scores
from services.tap.whole_answer import whole_of

ENABLED, A_DAY, IDLE_S = "accuracy.probe.enabled", "accuracy.probe.tasks_per_day", "accuracy.probe.idle_s"
CLIENT = "probe"
HEADER = "X-Wfmon-Probe"
_LOOK_EVERY_S = 2.0
_GIVE_WAY_S = 0.05
_MOST_TOKENS = 64
_TIMEOUT = aiohttp.ClientTimeout(total=60.0, sock_connect=5.0)
_LONGEST_BODY = 64 << 10
# What Ollama lets go of sooner is left alone: asked now, it might be loaded again.
_STAYS_AT_LEAST_S = 30.0
RawHeaders = Sequence[tuple[bytes, bytes]]


class ProbeTasks:
    """`run` for the life of the service."""

    def __init__(
        self, ctx: ServiceContext, session: aiohttp.ClientSession, table: RouteTable, figures: Figures, scores: Scores
    ) -> None:
        self._ctx = ctx
        self._session = session
        self._table = table
        self._figures = figures
        self._scores = scores
        self._token = secrets.token_hex(8)
        self._file: Path = ctx.home.data / "probe-tasks.json"
        self._plan = Plan.from_state(self._read())
        self._seen = (0, monotonic_s())
        self._changed = asyncio.Event()
        ctx.settings.on_change("accuracy.probe.", lambda _key, _value: self._changed.set())

    def name_of(self, headers: RawHeaders, others: Callable[[RawHeaders], str]) -> str:
        """The client of a request: `probe` for our own, by a header that only this process knows, else `others`'."""
        name, token = HEADER.lower().encode(), self._token.encode()
        if any(key.lower() == name and value == token for key, value in headers):
            return CLIENT
        return others(headers)

    async def run(self) -> None:
        """Waits for the switch, then for idle moments."""
        while True:
            self._changed.clear()
            on = self._ctx.settings.flag(ENABLED)
            if on:
                await self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_EVERY_S if on else None):
                    await self._changed.wait()

    async def _look(self) -> None:
        """One task after the other, for as long as the machine is idle and any is due."""
        while self._idle() and self._ctx.settings.flag(ENABLED):
            loaded = {
                model: how
                for model, how in (await loaded_models(self._session, list(self._table.found.values()))).items()
                if how.stays_s is None or how.stays_s >= _STAYS_AT_LEAST_S
            }
            day = datetime.now(UTC).toordinal()
            due = self._plan.due(loaded, monotonic_s(), day, int(self._ctx.settings.number(A_DAY)))
            if due is None or not self._idle():
                return
            model, turn = due
            self._plan.began(model, monotonic_s())
            await asyncio.to_thread(self._keep, json.dumps(self._plan.state()).encode())
            known = tasks()
            task = known[turn % len(known)]
            answer = await self._giving_way(self._ask(model, loaded[model], task))
            if answer is not None:
                self._scores.tell(plain_name(model), "probe", float(is_right(task, answer)))

    def _idle(self) -> bool:
        """Whether nobody has asked anything for as long as is set; what is not measured is not seen, so never then."""
        requests, since_s = self._seen
        if self._figures.under_way or requests != self._figures.requests:
            self._seen = (self._figures.requests, monotonic_s())
            return False
        if not self._ctx.settings.flag("tap.measure"):
            return False
        return monotonic_s() - since_s >= self._ctx.settings.number(IDLE_S)

    async def _giving_way(self, asking: Coroutine[Any, Any, str | None]) -> str | None:
        """The answer; None where there is none, or somebody else asked meanwhile."""
        before = self._figures.requests
        task = asyncio.ensure_future(asking)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=_GIVE_WAY_S)
                if self._figures.requests - before > 1 or not self._ctx.settings.flag(ENABLED):
                    return None
            if self._figures.requests - before <= 1:
                # Only our own request came: that is no use of the model by a person.
                self._seen = (self._figures.requests, self._seen[1])
            return task.result()
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, TypeError, KeyError, IndexError):
            return None
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError, Exception):
                await task

    async def _ask(self, model: str, how: Loaded, task: Task) -> str | None:
        messages = [{"role": "user", "content": task.prompt}]
        body: dict[str, Any] = {"model": model, "messages": messages, "stream": False}
        if how.runtime == OLLAMA:
            path = "/api/chat"
            body["options"] = {"temperature": 0, "num_predict": _MOST_TOKENS}
            if how.stays_s is not None:
                body["keep_alive"] = f"{how.stays_s:.0f}s"  # no longer than it would have stayed
        else:
            path = "/v1/chat/completions"
            body |= {"temperature": 0, "max_tokens": _MOST_TOKENS}
        url = f"http://127.0.0.1:{self._ctx.home.ports.tap}{path}"
        async with self._session.post(url, json=body, headers={HEADER: self._token}, timeout=_TIMEOUT) as answer:
            if answer.status != 200:
                return None
            told = json.loads(await whole_of(answer, _LONGEST_BODY))
        if how.runtime == OLLAMA:
            return None if told.get("done_reason") == "length" else str(told["message"]["content"])
        choice = told["choices"][0]
        # Cut off, as one that thinks is: nothing can be said about what it would have answered.
        return None if choice.get("finish_reason") == "length" else str(choice["message"]["content"])

    def _read(self) -> Any:
        try:
            return json.loads(self._file.read_bytes())
        except (OSError, ValueError):
            return None

    def _keep(self, state: bytes) -> None:
        try:
            write_private(self._file, state)
        except OSError as error:
            self._ctx.log.warning("the count of probe tasks is not kept over a restart", reason=str(error))
