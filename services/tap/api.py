"""RequestsService: what was asked of models, what is under way, and where it goes."""

from __future__ import annotations

import grpc
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1.request_pb2 import RequestRecord

from bus.settings_mirror import SettingsMirror
from bus.targets import targets_of
from bus.tariff import tariff_of
from services.tap.clients_api import ClientsApi
from services.tap.meter import Figures
from services.tap.routes import RouteTable
from services.tap.store import Store

_USUAL_LIMIT = 100
_MOST = 1000
_ORDERS = ("", "newest", "slowest")


class RequestsApi(ClientsApi):
    """Answers from the store and from what runs now."""

    def __init__(self, store: Store, figures: Figures, table: RouteTable, settings: SettingsMirror) -> None:
        super().__init__(store, lambda: settings.flag("privacy.record.client"), lambda: terms_of(settings))
        self._store = store
        self._figures = figures
        self._table = table
        self._settings = settings

    async def ListRequests(
        self,
        request: pb.ListRequestsRequest,
        context: grpc.aio.ServicerContext[pb.ListRequestsRequest, pb.ListRequestsResponse],
    ) -> pb.ListRequestsResponse:
        """Those under way first, then the newest or slowest, 1,000 at most."""
        if request.order not in _ORDERS:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"no order {request.order[:40]!r}; there are newest and slowest"
            )
        limit = min(request.limit or _USUAL_LIMIT, _MOST)
        ended, total = await self._store.list(
            limit,
            request.model,
            slowest=request.order == "slowest",
            after_us=request.after_us,
            before_us=request.before_us,
        )
        await self.with_names(ended)
        running = [record for record in self._running() if request.model in ("", record.model)]
        if request.before_us or request.after_us:
            running = []
        answer = pb.ListRequestsResponse(requests=(running + ended)[:limit], total=total + len(running))
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
        """What was set, in its order, then what was found: a row a model."""
        answer = pb.ListRoutesResponse()
        found = self._table.found
        for route in self._table.given:
            upstream = route.upstream
            answer.routes.add(
                prefix=route.prefix,
                upstream=upstream.url,
                runtime=found[upstream.port].upstream.runtime if upstream.port in found else "",
                answers=upstream.port in found,
            )
        for one in found.values():
            for model in sorted(one.models) or [""]:
                answer.routes.add(
                    prefix=model, upstream=one.upstream.url, runtime=one.upstream.runtime, found=True, answers=True
                )
        return answer

    def _running(self) -> list[RequestRecord]:
        return [builder.so_far() for builder in reversed(self._figures.under_way.values())]


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
