"""RequestsService: what was asked of models, what is under way, and where it goes."""

from __future__ import annotations

import asyncio

import aiohttp
import grpc
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1.request_pb2 import RequestRecord

from bus.runtime_names import LM_STUDIO
from bus.settings_mirror import SettingsMirror
from bus.targets import targets_of
from bus.tariff import tariff_of
from services.tap import lm_studio
from services.tap.chatting import chatting
from services.tap.clients_api import ClientsApi
from services.tap.compare_loaded import loading
from services.tap.meter import Figures
from services.tap.order import COLUMNS, SHORT_FORMS, Order
from services.tap.routes import Found, RouteTable
from services.tap.store import Store

_USUAL_LIMIT = 100
_MOST = 1000
# Before the id in `next`: what ended meanwhile no longer says that it had a place among those under way.
_UNDER_WAY = "running:"


class RequestsApi(ClientsApi):
    """Answers from the store and from what runs now."""

    def __init__(
        self,
        store: Store,
        figures: Figures,
        table: RouteTable,
        settings: SettingsMirror,
        session: aiohttp.ClientSession,
    ) -> None:
        """`session`: to ask runtimes with."""
        super().__init__(store, lambda: settings.flag("privacy.record.client"), lambda: terms_of(settings))
        self._store = store
        self._figures = figures
        self._table = table
        self._settings = settings
        self._session = session

    async def ListRequests(
        self,
        request: pb.ListRequestsRequest,
        context: grpc.aio.ServicerContext[pb.ListRequestsRequest, pb.ListRequestsResponse],
    ) -> pb.ListRequestsResponse:
        """Those under way first, then the newest or in another order, 1,000 at most; then page by page."""
        name = SHORT_FORMS.get(request.order, request.order)
        if name not in COLUMNS:
            known = ", ".join((*filter(None, SHORT_FORMS), *COLUMNS))
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"no order {request.order[:40]!r}; there are {known}")
        limit = min(request.limit or _USUAL_LIMIT, _MOST)
        running = [record for record in self._running() if request.model in ("", record.model)]
        if request.before_us or request.after_us:
            running = []
        after_id = request.after_id
        if after_id in self._figures.under_way:
            after_id = _UNDER_WAY + after_id
        try:
            waiting = [] if after_id else running
            if after_id.startswith(_UNDER_WAY):
                # Behind the last of those under way begin those that ended.
                waiting, after_id = _behind(running, after_id.removeprefix(_UNDER_WAY)), ""
            first = waiting[:limit]
            page = await self._store.list(
                limit - len(first),
                request.model,
                order=Order(name, request.ascending),
                after_id=after_id,
                after_us=request.after_us,
                before_us=request.before_us,
            )
        except LookupError:
            await context.abort(
                grpc.StatusCode.NOT_FOUND,
                f"no request {request.after_id[:64]!r} to go on after; begin again with the first page",
            )
            raise AssertionError from None
        await self.with_names(page.records)
        more = page.more or len(waiting) > len(first)
        answer = pb.ListRequestsResponse(requests=first + page.records, total=page.total + len(running), more=more)
        if more:
            answer.next = answer.requests[-1].id if page.records else _UNDER_WAY + answer.requests[-1].id
        answer.terms.CopyFrom(terms_of(self._settings))
        return answer

    async def GetRequest(
        self, request: pb.GetRequestRequest, context: grpc.aio.ServicerContext[pb.GetRequestRequest, RequestRecord]
    ) -> RequestRecord:
        """One record, also of a request that is under way."""
        builder = self._figures.under_way.get(request.id)
        found = await self._store.get(request.id) if builder is None else builder.so_far()
        if found is None:
            await context.abort(
                grpc.StatusCode.NOT_FOUND, f"no request {request.id[:64]!r}; records are kept for 30 days by default"
            )
            raise AssertionError
        await self.with_names([found])
        return found

    async def ListRoutes(
        self,
        request: pb.ListRoutesRequest,
        context: grpc.aio.ServicerContext[pb.ListRoutesRequest, pb.ListRoutesResponse],
    ) -> pb.ListRoutesResponse:
        """What was set, in its order, then what was found: a row a model; `ask`: with what runtimes tell of it."""
        answer = pb.ListRoutesResponse()
        found = self._table.found
        asked = []
        for route in self._table.given:
            upstream = route.upstream
            answer.routes.add(
                prefix=route.prefix,
                upstream=upstream.url,
                runtime=found[upstream.port].upstream.runtime if upstream.port in found else "",
                answers=upstream.port in found,
            )
        for one in list(found.values()):
            rows = [
                answer.routes.add(
                    prefix=model, upstream=one.upstream.url, runtime=one.upstream.runtime, found=True, answers=True
                )
                for model in sorted(one.models) or [""]
            ]
            if request.ask:
                asked.append(self._learn(one, rows))
        await asyncio.gather(*asked)
        return answer

    async def _learn(self, found: Found, rows: list[pb.Route]) -> None:
        """Put into the rows of a runtime what it tells of its models."""
        if found.upstream.runtime == LM_STUDIO:
            models = await lm_studio.listed(self._session, found.upstream)
            loaded, chats = lm_studio.in_memory(models), lm_studio.chats(models)
        else:
            loaded, chats = await asyncio.gather(
                loading(self._session, found.upstream), chatting(self._session, found.upstream, found.models)
            )
        for row in rows:
            if (in_memory := loaded(row.prefix)) is not None:
                row.loaded = in_memory
            if row.prefix in chats:
                row.chats = chats[row.prefix]

    def _running(self) -> list[RequestRecord]:
        return [builder.so_far() for builder in reversed(self._figures.under_way.values())]


def _behind(running: list[RequestRecord], id_: str) -> list[RequestRecord]:
    """Those that began before the one of this id, be it still among them or not. Raises LookupError for no such id."""
    number = _number(id_)
    return [record for record in running if _number(record.id) < number]


def _number(id_: str) -> int:
    """The count of requests in an id of the tap's own (`Meter.sent`): unlike the time in it, it only grows."""
    try:
        return int(id_.rpartition("-")[2], 16)
    except ValueError:
        raise LookupError(id_) from None


def terms_of(settings: SettingsMirror) -> pb.Terms:
    """What requests are judged by, as it is set now."""
    targets, tariff = targets_of(settings), tariff_of(settings)
    terms = pb.Terms()
    if targets.ttft_ms is not None:
        terms.target_ttft_ms = targets.ttft_ms
    if targets.tpot_ms is not None:
        terms.target_tpot_ms = targets.tpot_ms
    if tariff is not None:
        terms.tariff_per_kwh, terms.currency = tariff
    return terms
