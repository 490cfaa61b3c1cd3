"""Comparisons of models over HTTP, for the page's button: thin, the tap owns every answer."""

from typing import Annotated

import grpc
import msgspec
from aiohttp import web
from msgspec import Meta
from wfmonitor.v1 import compare_service_pb2 as pb
from wfmonitor.v1.compare_service_pb2_grpc import CompareServiceStub

from bus.plain import measured
from services.gateway.metrics_api import TIMEOUT_S, json_response
from services.gateway.params import Params
from services.gateway.settings_api import read_json

Count = Annotated[int, Meta(ge=0, le=1 << 20)]
Counts = Annotated[list[Count], Meta(max_length=16)]


class PlanBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /api/v1/compare; what is left out has its default."""

    models: Annotated[list[Annotated[str, Meta(max_length=256)]], Meta(max_length=16)]
    prompt_tokens: Counts = []
    output_tokens: Count = 0
    concurrency: Counts = []
    rounds: Count = 0
    anyway: bool = False
    load: bool = False


class CompareApi:
    """Handlers of /api/v1/compare."""

    def __init__(self, channel: grpc.aio.Channel) -> None:
        self._ask = CompareServiceStub(channel)

    def routes(self) -> list[web.RouteDef]:
        """The addresses answered here."""
        return [
            web.get("/api/v1/compare", self.list),
            web.post("/api/v1/compare", self.start),
            web.post("/api/v1/compare/{id}/cancel", self.cancel),
        ]

    async def list(self, request: web.Request) -> web.Response:
        """The comparison under way first, then the newest; what was not measured is null in a cell."""
        params = Params(request, ("limit", "model"))
        asked = pb.ListComparesRequest(limit=params.integer("limit", 20, 1, 200), model=params.text("model", ""))
        answer = await self._ask.ListCompares(asked, timeout=TIMEOUT_S)
        return json_response({"runs": [measured(run) for run in answer.runs]})

    async def start(self, request: web.Request) -> web.Response:
        """Begins one; 409 with the reason where a request runs, a model is not loaded, or another one is under way."""
        body: PlanBody = await read_json(request, PlanBody)
        plan = pb.ComparePlan(**msgspec.structs.asdict(body))
        return json_response(measured(await self._ask.StartCompare(plan, timeout=TIMEOUT_S)))

    async def cancel(self, request: web.Request) -> web.Response:
        """Ends one, and the request that is being answered."""
        Params(request, ())
        asked = pb.CancelCompareRequest(id=request.match_info["id"])
        return json_response(measured(await self._ask.CancelCompare(asked, timeout=TIMEOUT_S)))
