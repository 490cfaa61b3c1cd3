"""What may be asked over HTTP about metrics: thin, the aggregator owns every answer."""

import math
import platform
from collections.abc import AsyncIterable, Mapping
from typing import Any, NamedTuple

import grpc
from aiohttp import web
from wfmonitor.v1 import metrics_service_pb2 as pb
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from bus.catalogue import Catalogue
from bus.clock import wall_us
from bus.plain import to_plain
from bus.series import from_key
from services.gateway import openmetrics
from services.gateway.encoding import encode
from services.gateway.params import SELECTOR, Params
from services.gateway.refusal import Refusal

TIMEOUT_S = 10.0
# As JSON about 40 MB; more is a matter for the gRPC door, which streams.
MAX_POINTS = 2_000_000
MAX_BACKFILL_S = 300.0
_BACKFILL = "/wfmonitor.v1.MetricsService/Backfill"


def json_response(value: Any, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer in JSON; NaN is null."""
    return web.Response(body=encode(value), content_type="application/json", headers=headers)


class _Newest(NamedTuple):
    metric: str
    source: str
    labels: tuple[tuple[str, str], ...]
    time_us: int
    value: float


class MetricsApi:
    """Handlers of the reading part of /api/v1, and of /metrics."""

    def __init__(self, channel: grpc.aio.Channel, catalogue: Catalogue) -> None:
        self._ask = MetricsServiceStub(channel)
        # Frames pass through as bytes; only the page decodes them.
        self._backfill: grpc.aio.UnaryStreamMultiCallable[pb.BackfillRequest, bytes] = channel.unary_stream(
            _BACKFILL, request_serializer=pb.BackfillRequest.SerializeToString, response_deserializer=None
        )
        self._catalogue = catalogue

    def routes(self) -> list[web.RouteDef]:
        """The addresses answered here."""
        return [
            web.get("/api/v1/series", self.series),
            web.get("/api/v1/describe", self.describe),
            web.get("/api/v1/query_range", self.query_range),
            web.get("/api/v1/query_instant", self.query_instant),
            web.get("/api/v1/backfill", self.backfill),
            web.get("/api/v1/events", self.events),
            web.get("/api/v1/info", self.info),
            web.get("/api/v1/health", self.health),
            web.get("/api/v1/storage", self.storage),
            web.get("/metrics", self.metrics),
        ]

    async def series(self, request: web.Request) -> web.Response:
        """Every series with its newest value; `class` or `metric` narrows it."""
        params = Params(request, ("class", "metric"))
        wanted = params.text("metric", "") or params.text("class", "")
        return json_response(
            to_plain(await self._ask.ListSeries(pb.ListSeriesRequest(class_or_metric=wanted), timeout=TIMEOUT_S))
        )

    async def describe(self, request: web.Request) -> web.Response:
        """Names, units and meanings of the catalogue; `metric` narrows it to one."""
        metric = Params(request, ("metric",)).text("metric", "")
        return json_response(to_plain(await self._ask.Describe(pb.DescribeRequest(metric=metric), timeout=TIMEOUT_S)))

    async def query_range(self, request: web.Request) -> web.Response:
        """Rows or steps in (start_us, end_us]; `last_s` seconds until now where no start is given."""
        params = Params(request, (*SELECTOR, "stat", "start_us", "end_us", "step_us", "last_s"))
        end_us = params.integer("end_us", wall_us())
        last_us = round(params.number("last_s", 600.0, 0.0, 1e9) * 1e6)
        asked = pb.QueryRangeRequest(
            selector=params.selector(),
            stat=params.text("stat", ""),
            start_us=params.integer("start_us", max(0, end_us - last_us)),
            end_us=end_us,
            step_us=params.integer("step_us"),
        )
        return json_response(await _joined(self._ask.QueryRange(asked, timeout=TIMEOUT_S)))

    async def query_instant(self, request: web.Request) -> web.Response:
        """One statistic over a window that ends at `time_us`, 0: now."""
        params = Params(request, (*SELECTOR, "stat", "window", "time_us"))
        asked = pb.QueryInstantRequest(
            selector=params.selector(),
            stat=params.text("stat", ""),
            window=params.text("window", ""),
            time_us=params.integer("time_us"),
        )
        return json_response(to_plain(await self._ask.QueryInstant(asked, timeout=TIMEOUT_S)))

    async def backfill(self, request: web.Request) -> web.Response:
        """The last seconds of the rings as one LiveFrame in protobuf."""
        seconds = Params(request, ("seconds",)).number("seconds", 60.0, 0.0, MAX_BACKFILL_S)
        return web.Response(body=await self.frames(seconds), content_type="application/x-protobuf")

    async def frames(self, seconds: float) -> bytes:
        """The same as bytes; 0 s: a key frame of now.

        Protobuf messages in a row are one message with their repeated fields in a row, so joining needs no decoding.
        """
        return b"".join([part async for part in self._backfill(pb.BackfillRequest(seconds=seconds), timeout=TIMEOUT_S)])

    async def key_frame(self) -> bytes | None:
        """A key frame of now; None where the aggregator does not answer."""
        try:
            return await self.frames(0.0) or None
        except grpc.aio.AioRpcError:
            return None

    async def events(self, request: web.Request) -> web.Response:
        """Events in a span of time, newest `limit` of them."""
        params = Params(request, ("start_us", "end_us", "kind", "limit"))
        asked = pb.ListEventsRequest(
            start_us=params.integer("start_us"),
            end_us=params.integer("end_us"),
            kind=params.text("kind", ""),
            limit=params.integer("limit", 1000, 1, 10_000),
        )
        return json_response(to_plain(await self._ask.ListEvents(asked, timeout=TIMEOUT_S)))

    async def info(self, request: web.Request) -> web.Response:
        """What things are and since when; `subject` narrows it: one, or with a trailing `*` all that begin so."""
        subject = Params(request, ("subject",)).text("subject", "")
        return json_response(to_plain(await self._ask.ListInfo(pb.ListInfoRequest(subject=subject), timeout=TIMEOUT_S)))

    async def health(self, request: web.Request) -> web.Response:
        """The newest health of every service, and the name of this machine for the page's title."""
        Params(request, ())
        answer = to_plain(await self._ask.ListHealth(pb.ListHealthRequest(), timeout=TIMEOUT_S))
        return json_response({**answer, "host": platform.node()})

    async def storage(self, request: web.Request) -> web.Response:
        """What is kept, how much room it takes, what was lost."""
        Params(request, ())
        return json_response(to_plain(await self._ask.Storage(pb.StorageRequest(), timeout=TIMEOUT_S)))

    async def metrics(self, request: web.Request) -> web.Response:
        """Newest values for Prometheus, in the format its Accept header asks for."""
        answer = await self._ask.ListSeries(pb.ListSeriesRequest(), timeout=TIMEOUT_S)
        points = [_newest(info) for info in answer.series]
        wanted = "application/openmetrics-text" in request.headers.get("Accept", "")
        text = openmetrics.render(points, self._catalogue, wall_us(), openmetrics=wanted)
        kind = openmetrics.OPENMETRICS_TYPE if wanted else openmetrics.TEXT_TYPE
        return web.Response(body=text.encode(), headers={"Content-Type": kind})


def _newest(info: pb.SeriesInfo) -> _Newest:
    series = from_key(info.key)
    return _Newest(series.metric, series.source, series.labels, info.newest_us, info.newest)


async def _joined(parts: AsyncIterable[pb.QueryRangeResponse]) -> dict[str, Any]:
    """The stream's messages as one answer: a series that comes in several has its points in a row."""
    rows: dict[bytes, dict[str, Any]] = {}
    tier, rows_read, points = "", 0, 0
    async for part in parts:
        tier, rows_read = part.tier or tier, max(rows_read, part.rows_read)
        for one in part.series:
            points += len(one.times_us)
            if points > MAX_POINTS:
                raise Refusal(
                    413,
                    "query_range",
                    f"more than {MAX_POINTS} points.",
                    "Ask for a step (step_us), fewer series or a shorter span.",
                )
            row = rows.setdefault(
                one.key.SerializeToString(deterministic=True), {"key": to_plain(one.key), "times_us": [], "values": []}
            )
            row["times_us"] += one.times_us
            row["values"] += [None if math.isnan(value) else value for value in one.values]
    return {"series": list(rows.values()), "tier": tier, "rows_read": rows_read}
