"""One comparison at a time: model by model, length by length, concurrency by concurrency, in rounds.

Models are not alternated: on a machine whose memory holds one of them, each turn would load it anew.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import compress

from wfmonitor.v1.compare_service_pb2 import CompareCell, ComparePlan, CompareRun

from bus.clock import wall_us
from bus.database import DatabaseReplaced, DiskFull
from bus.model_names import plain_name, same_model
from services.tap.compare_client import PATH, CompareClient
from services.tap.compare_plan import filled, prompt, requests_of, words_for
from services.tap.compare_sources import Sources
from services.tap.compare_store import CompareStore
from services.tap.compare_sums import Sent, put_joules, put_vram, sum_up
from services.tap.routes import RouteTable, Upstream

NOT_KEPT = "it is shown, not kept: requests are not recorded (recording.enabled, privacy.record.requests)"
# What a request cost is known some seconds after its end.
_COST_WITHIN_S = 5.0
_COST_EVERY_S = 0.5


class NotNow(Exception):
    """A comparison that is not begun; the text says why, and what to do."""


class Comparing:
    """`start` a plan, `watch` it, `cancel` it."""

    def __init__(
        self,
        client: CompareClient,
        table: RouteTable,
        store: CompareStore,
        sources: Sources,
        recording: Callable[[], bool],
    ) -> None:
        self._client = client
        self._table = table
        self._store = store
        self._sources = sources
        self._recording = recording
        self._task: asyncio.Task[None] | None = None
        self._changed = asyncio.Event()
        self.run: CompareRun | None = None
        """The run under way, or the last one."""

    @property
    def running(self) -> bool:
        """Whether a run is under way."""
        return self._task is not None and not self._task.done()

    async def start(self, asked: ComparePlan) -> CompareRun:
        """Begin. Raises PlanError, and NotNow where it would disturb, load a model unasked, or know no runtime."""
        plan = filled(asked)
        self._refuse_beside(plan)
        upstreams = [self._upstream(model) for model in plan.models]
        key = asked.api_key
        refused = await asyncio.gather(*(self._sources.refuses(upstream, key) for upstream in upstreams))
        if refusing := list(compress(plan.models, refused)):
            raise NotNow(
                f"the runtime of {', '.join(refusing)} wants {'another' if key else 'an'} API key, and would refuse "
                "each request; name the variable that holds it: wfmon compare … --key-env NAME"
            )
        if not plan.load:
            told = await asyncio.gather(
                *(
                    self._sources.loaded(upstream, model, key)
                    for upstream, model in zip(upstreams, plan.models, strict=True)
                )
            )
            names = [
                model + ("" if known is False else " (its runtime does not tell)")
                for model, known in zip(plan.models, told, strict=True)
                if known is not True
            ]
            if names:
                raise NotNow(
                    f"not in memory: {', '.join(names)}. The comparison would load it, which takes memory and time; "
                    "agree with --load"
                )
        self._refuse_beside(plan)  # it took a moment to ask
        self._client.key = key
        run = CompareRun(
            id=f"{wall_us():016x}-{secrets.token_hex(2)}",
            start_us=wall_us(),
            state="running",
            plan=plan,
            requests=requests_of(plan),
            now="begins",
        )
        self.run = run
        self._task = asyncio.create_task(self._all(run, upstreams), name=f"compare {run.id}")
        return run

    def _refuse_beside(self, plan: ComparePlan) -> None:
        if self.running:
            raise NotNow("another comparison is under way; wait for its end, or cancel it")
        if not plan.anyway and (count := self._client.under_way()):
            raise NotNow(
                f"requests of your programs run through the tap now ({count}); they would be slowed and spoil the "
                "figures. Wait for their end, or compare all the same with --anyway"
            )

    def _upstream(self, model: str) -> Upstream:
        way = self._table.choose(PATH, model)
        if way is None:
            raise NotNow("no model runtime was found, and no route is set; see wfmon tap routes")
        found = self._table.found.get(way.upstream.port)
        if found is not None and found.models and not any(same_model(model, known) for known in found.models):
            known = sorted({name for one in self._table.found.values() for name in one.models})
            raise NotNow(f"no runtime says that it has {model!r}; there are: {', '.join(known[:20])}")
        return way.upstream

    async def cancel(self, id_: str) -> bool:
        """End the run of this id, and with it the request that is being answered; False where it does not run."""
        if self._task is None or self.run is None or self.run.id != id_ or not self.running:
            return False
        self._task.cancel()
        await asyncio.wait([self._task])
        return True

    async def close(self) -> None:
        """End what runs, as a cancel does."""
        if self.run is not None:
            await self.cancel(self.run.id)

    async def watch(self, id_: str) -> AsyncIterator[CompareRun]:
        """Yield the run as it grows, until it has ended; nothing where it is not the one under way or the last."""
        while (run := self.run) is not None and run.id == id_:
            changed, ended = self._changed, bool(run.end_us)
            yield run
            # As it was when it was told: what ended while the reader took it is told once more.
            if ended:
                return
            await changed.wait()

    def _tell(self, run: CompareRun, now: str) -> None:
        run.now = now
        self._changed.set()
        self._changed = asyncio.Event()

    async def _all(self, run: CompareRun, upstreams: Sequence[Upstream]) -> None:
        state, times = "failed", list[tuple[int, int]]()
        try:
            for model, upstream in zip(run.plan.models, upstreams, strict=True):
                await self._model(run, model, upstream, times)
            await self._costs(run, times)
            state = "done"
        except asyncio.CancelledError:
            state = "cancelled"
        except Exception as error:
            run.reason = type(error).__name__  # never its text: it may quote an answer
        self._client.key = ""
        run.state, run.end_us = state, wall_us()
        kept = self._recording()
        if not kept and not run.reason:
            run.reason = NOT_KEPT
        self._tell(run, "")
        if not kept:
            return
        try:
            await self._store.keep(run)
        except (DiskFull, DatabaseReplaced) as error:
            run.reason = f"it could not be kept: {error}"

    async def _model(self, run: CompareRun, model: str, upstream: Upstream, times: list[tuple[int, int]]) -> None:
        """Run all cells of one model; after a first request that fails, its other cells are left out."""
        plan, words, counted = run.plan, 0, None
        for length in plan.prompt_tokens:
            words = words_for(length, words, counted)
            self._tell(run, f"{model}: warms up, {length} tokens of prompt")
            first = await self._client.ask(model, prompt(words, f"{run.id} warm {length}"), 2, 1)
            run.requests_done += 1
            if first.error:
                cell = run.cells.add(
                    model=plain_name(model), asked=model, runtime=upstream.runtime, prompt_tokens=length
                )
                sum_up(cell, [[first]])
                times.append((0, 0))
                return
            if first.record.HasField("prompt_tokens"):
                counted = first.record.prompt_tokens
                words, sent_words = words_for(length, words, counted), words
                counted = round(counted * words / sent_words)
            for concurrency in plan.concurrency:
                cell = run.cells.add(
                    model=plain_name(self._table.name_of(upstream, model)),
                    asked=model,
                    runtime=upstream.runtime,
                    prompt_tokens=length,
                    concurrency=concurrency,
                )
                begin_us = wall_us()
                await self._cell(run, cell, model, words)
                times.append((begin_us, wall_us()))

    async def _cell(self, run: CompareRun, cell: CompareCell, model: str, words: int) -> None:
        plan, rounds, vram = run.plan, list[list[Sent]](), list[int]()
        for number in range(plan.rounds):
            self._tell(
                run,
                f"{model}: {cell.prompt_tokens} tokens of prompt, {cell.concurrency} at a time, "
                f"round {number + 1} of {plan.rounds}",
            )
            texts = [
                prompt(words, f"{run.id} {cell.prompt_tokens} {cell.concurrency} {number} {stream}")
                for stream in range(cell.concurrency)
            ]
            async with asyncio.TaskGroup() as group:
                tasks = [
                    group.create_task(self._client.ask(model, text, plan.output_tokens, cell.concurrency))
                    for text in texts
                ]
            rounds.append([task.result() for task in tasks])
            run.requests_done += cell.concurrency
            sum_up(cell, rounds)
            if (bytes_ := await self._sources.vram(cell.model)) is not None:
                vram.append(bytes_)
                put_vram(cell, vram)

    async def _costs(self, run: CompareRun, times: Sequence[tuple[int, int]]) -> None:
        """Put the joules a token to each cell, as far as power is measured on this machine."""
        self._tell(run, "waits for the energy of the last requests")
        for _ in range(round(_COST_WITHIN_S / _COST_EVERY_S)):
            for cell, (begin_us, end_us) in zip(run.cells, times, strict=True):
                if end_us and not cell.HasField("joules_per_token"):
                    put_joules(cell, await self._sources.records(cell.model, begin_us, end_us))
            if all(
                cell.HasField("joules_per_token") or not end_us
                for cell, (_, end_us) in zip(run.cells, times, strict=True)
            ):
                return
            await asyncio.sleep(_COST_EVERY_S)
