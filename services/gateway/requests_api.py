"""What may be asked over HTTP about requests to models: thin, the tap owns every answer."""

import grpc
from aiohttp import web
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1.energy_service_pb2 import ListEnergyDaysRequest
from wfmonitor.v1.energy_service_pb2_grpc import EnergyServiceStub
from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub

from bus.plain import measured
from services.gateway.metrics_api import TIMEOUT_S, json_response
from services.gateway.params import Params


class RequestsApi:
    """Handlers of /api/v1/requests and /api/v1/energy."""

    def __init__(self, tap: grpc.aio.Channel, aggregator: grpc.aio.Channel) -> None:
        self._ask = RequestsServiceStub(tap)
        self._energy = EnergyServiceStub(aggregator)

    def routes(self) -> list[web.RouteDef]:
        """The addresses answered here."""
        return [
            web.get("/api/v1/requests", self.list),
            web.get("/api/v1/requests/{id}", self.get),
            web.get("/api/v1/routes", self.ways),
            web.get("/api/v1/clients", self.clients),
            web.get("/api/v1/energy", self.energy),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """Requests under way, then the newest, or by `order`; what was not measured is null. `next`: the next page."""
        params = Params(request, ("limit", "model", "order", "ascending", "after_id", "before_us", "after_us"))
        asked = pb.ListRequestsRequest(
            limit=params.integer("limit", 100, 1, 1000),
            model=params.text("model", ""),
            order=params.text("order", ""),
            ascending=bool(params.integer("ascending", 0, 0, 1)),
            after_id=params.text("after_id", ""),
            before_us=params.integer("before_us"),
            after_us=params.integer("after_us"),
        )
        answer = await self._ask.ListRequests(asked, timeout=TIMEOUT_S)
        return json_response(
            {
                "requests": [measured(one) for one in answer.requests],
                "total": answer.total,
                "more": answer.more,
                "next": answer.next,
                "terms": measured(answer.terms),
            }
        )

    async def get(self, request: web.Request) -> web.Response:
        """One request."""
        Params(request, ())
        asked = pb.GetRequestRequest(id=request.match_info["id"])
        return json_response(measured(await self._ask.GetRequest(asked, timeout=TIMEOUT_S)))

    async def ways(self, request: web.Request) -> web.Response:
        """Where the tap leads requests: what was set, and the runtimes that were found."""
        Params(request, ())
        return json_response(measured(await self._ask.ListRoutes(pb.ListRoutesRequest(), timeout=TIMEOUT_S)))

    async def clients(self, request: web.Request) -> web.Response:
        """Requests, tokens, time and joules by client; empty unless the person agreed to record clients."""
        params = Params(request, ("after_us",))
        asked = pb.ListClientsRequest(after_us=params.integer("after_us"))
        answer = await self._ask.ListClients(asked, timeout=TIMEOUT_S)
        plain = [measured(one) for one in answer.clients]
        return json_response({"clients": plain, "recorded": answer.recorded, "terms": measured(answer.terms)})

    async def energy(self, request: web.Request) -> web.Response:
        """Joules by day and model, newest day first, of 7 `days` or so many. Without a tariff money is null."""
        params = Params(request, ("days",))
        asked = ListEnergyDaysRequest(days=params.integer("days", 7, 1, 366))
        answer = await self._energy.ListEnergyDays(asked, timeout=TIMEOUT_S)
        return json_response(measured(answer))
