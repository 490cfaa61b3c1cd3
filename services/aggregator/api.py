"""MetricsService: questions about series, answered from the rings and the chunks together."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import grpc
import numpy as np
from wfmonitor.v1 import metrics_service_pb2 as pb
from wfmonitor.v1.event_pb2 import Event
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.live_pb2 import LiveFrame
from wfmonitor.v1.metrics_service_pb2 import Selector
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceServicer
from wfmonitor.v1.window_pb2 import WindowValue

from bus.catalogue import Metric, UnknownMetric, catalogue
from bus.clock import wall_us
from bus.series import Series, to_key
from services.aggregator.attention import Attention
from services.aggregator.broadcast import WindowVoice
from services.aggregator.history import History, Past
from services.aggregator.live import LiveComposer
from services.aggregator.records import Info
from services.aggregator.rings import Rings
from services.aggregator.selection import Selection, selection
from services.aggregator.standing import Query
from services.aggregator.statistics import statistic, window_us
from services.aggregator.steps import Steps, step_ends
from services.aggregator.table import RING_S, RingTable
from services.aggregator.watching import Waiting

Context = grpc.aio.ServicerContext

RAW = "raw"
# Half a MiB of packed columns a message.
VALUES_A_MESSAGE = 30_000
MAX_QUERIES = 256
MAX_EVENTS = 10_000


@dataclass(frozen=True, slots=True)
class Answers:
    """Everything the service answers from."""

    attention: Attention
    rings: Rings
    history: History
    composer: LiveComposer
    windows: WindowVoice
    events: Callable[[int, int, str, int], Awaitable[list[Event]]]  # (start, end], kind, limit
    info: Callable[[str], Awaitable[list[Info]]]  # subject
    healths: Callable[[], list[Health]]
    storage: Callable[[], Awaitable[pb.StorageResponse]]


class MetricsApi(MetricsServiceServicer):
    """Errors: NOT_FOUND names the nearest metric, INVALID_ARGUMENT the field and what it may be."""

    def __init__(self, answers: Answers) -> None:
        self._of = answers

    async def ListSeries(
        self, request: pb.ListSeriesRequest, context: "Context[pb.ListSeriesRequest, pb.ListSeriesResponse]"
    ) -> pb.ListSeriesResponse:
        wanted = request.class_or_metric
        if wanted and wanted not in catalogue().classes:
            wanted = (await _resolved(Selector(metric=wanted), context)).metric
        await self._of.attention.look()
        newest: dict[Series, pb.SeriesInfo] = {}
        for series, table, column in self._of.rings.series():
            if wanted in ("", series.metric, series.metric.partition(".")[0]):
                info = _newest(series, table, column)
                if series not in newest or info.newest_us > newest[series].newest_us:
                    newest[series] = info
        return pb.ListSeriesResponse(series=[newest[series] for series in sorted(newest)])

    async def Describe(
        self, request: pb.DescribeRequest, context: "Context[pb.DescribeRequest, pb.DescribeResponse]"
    ) -> pb.DescribeResponse:
        names = list(catalogue())
        if request.metric:
            names = [(await _resolved(Selector(metric=request.metric), context)).metric]
        return pb.DescribeResponse(metrics=[_info(catalogue()[name]) for name in names])

    async def Watch(
        self, request: pb.WatchRequest, context: "Context[pb.WatchRequest, WindowValue]"
    ) -> AsyncIterator[WindowValue]:
        if not 0 < len(request.queries) <= MAX_QUERIES:
            await _refuse(context, f"queries: {len(request.queries)} given, 1 to {MAX_QUERIES} can be watched")
        chosen = [(await _resolved(query.selector, context), query) for query in request.queries]
        waiting = Waiting(self._of.windows.missed)
        listening: list[tuple[Query, Callable[[WindowValue], None]]] = []
        try:
            for one, standing in chosen:
                query = Query(one.metric, standing.stat, standing.window)
                hear = waiting.hearing(one)
                try:
                    self._of.windows.listen(query, hear)
                except ValueError as fault:
                    await _refuse(context, f"queries: {fault}")
                listening.append((query, hear))
            while True:
                yield await waiting.take()
        finally:
            for query, hear in listening:
                self._of.windows.unlisten(query, hear)

    async def QueryRange(
        self, request: pb.QueryRangeRequest, context: "Context[pb.QueryRangeRequest, pb.QueryRangeResponse]"
    ) -> AsyncIterator[pb.QueryRangeResponse]:
        chosen = await _resolved(request.selector, context)
        end_us = request.end_us or wall_us()
        if request.step_us < 0 or request.start_us < 0 or request.start_us > end_us:
            await _refuse(context, "start_us must be before end_us, and step_us 0 (raw rows) or above")
        try:
            stat = statistic(request.stat or "avg")
            ends_us = step_ends(request.start_us, end_us, request.step_us) if request.step_us else None
        except ValueError as fault:
            await _refuse(context, str(fault))
        if request.stat and ends_us is None:
            await _refuse(context, f"step_us: {request.stat} is told for each step; give one, or no stat for raw rows")
        await self._of.attention.look()
        slices = self._of.history.slices(chosen, request.start_us, end_us, request.step_us or 1)
        if ends_us is None:
            rows_read = 0
            async for _, _, pasts in slices:
                rows_read += sum(len(past.times_us) for past in pasts)
                for message in _messages(pasts, rows_read):
                    yield message
            if not rows_read:
                yield pb.QueryRangeResponse(tier=RAW)
            return
        steps = Steps(request.start_us, ends_us, request.step_us, stat)
        async for start_us, slice_end_us, pasts in slices:
            await steps.take(start_us, slice_end_us, pasts)
        for message in _messages(steps.answer(), steps.rows_read):
            yield message

    async def QueryInstant(
        self, request: pb.QueryInstantRequest, context: "Context[pb.QueryInstantRequest, pb.QueryInstantResponse]"
    ) -> pb.QueryInstantResponse:
        chosen = await _resolved(request.selector, context)
        window = request.window or "instant"
        try:
            stat, length_us = statistic(request.stat or "last"), window_us(window)
        except ValueError as fault:
            await _refuse(context, str(fault))
        await self._of.attention.look()
        end_us = request.time_us or wall_us()
        found = await self._of.history.window(chosen, end_us, length_us, stat)
        value = WindowValue(metric=chosen.metric, stat=request.stat or "last", window=window, time_us=end_us)
        value.series.extend(to_key(series) for series in found)
        value.values.extend(found.values())
        return pb.QueryInstantResponse(values=[value])

    async def Backfill(
        self, request: pb.BackfillRequest, context: "Context[pb.BackfillRequest, LiveFrame]"
    ) -> AsyncIterator[LiveFrame]:
        if not 0 <= request.seconds <= RING_S:
            await _refuse(context, f"seconds: 0 (the newest rows) to {RING_S}, not {request.seconds:g}")
        await self._of.attention.look()
        # All at once: frames made while rows come in would not fit each other's number.
        for frame in list(self._of.composer.backfill(request.seconds, wall_us())):
            yield frame

    async def ListEvents(
        self, request: pb.ListEventsRequest, context: "Context[pb.ListEventsRequest, pb.ListEventsResponse]"
    ) -> pb.ListEventsResponse:
        limit = min(request.limit or MAX_EVENTS, MAX_EVENTS)
        events = await self._of.events(request.start_us, request.end_us or wall_us(), request.kind, limit)
        return pb.ListEventsResponse(events=events)

    async def ListInfo(
        self, request: pb.ListInfoRequest, context: "Context[pb.ListInfoRequest, pb.ListInfoResponse]"
    ) -> pb.ListInfoResponse:
        self._of.attention.hear()
        found = await self._of.info(request.subject)
        return pb.ListInfoResponse(info=[pb.InfoValue(**info._asdict()) for info in found])

    async def ListHealth(
        self, request: pb.ListHealthRequest, context: "Context[pb.ListHealthRequest, pb.ListHealthResponse]"
    ) -> pb.ListHealthResponse:
        self._of.attention.hear()
        return pb.ListHealthResponse(services=self._of.healths())

    async def Storage(
        self, request: pb.StorageRequest, context: "Context[pb.StorageRequest, pb.StorageResponse]"
    ) -> pb.StorageResponse:
        return await self._of.storage()


def _newest(series: Series, table: RingTable, column: int) -> pb.SeriesInfo:
    """The series with its newest value; NaN and time 0 where the ring holds none."""
    a, b = table.positions(table.first)
    info = pb.SeriesInfo(key=to_key(series), rate_hz=table.rate_hz, newest=np.nan)
    there = np.flatnonzero(~np.isnan(table.values[column, a:b]))
    if len(there):
        info.newest_us = int(table.times_us[a + there[-1]])
        info.newest = float(table.values[column, a + there[-1]])
    return info


async def _resolved(selector: Selector, context: "Context[Any, Any]") -> Selection:
    try:
        return selection(selector)
    except UnknownMetric as unknown:
        await context.abort(grpc.StatusCode.NOT_FOUND, str(unknown))
    except ValueError as fault:
        await _refuse(context, str(fault))


async def _refuse(context: "Context[Any, Any]", what: str) -> NoReturn:
    await context.abort(grpc.StatusCode.INVALID_ARGUMENT, what)


def _info(metric: Metric) -> pb.MetricInfo:
    return pb.MetricInfo(
        name=metric.name,
        unit=metric.unit,
        kind=metric.kind,
        rate=metric.rate,
        privacy=metric.privacy,
        meaning=metric.meaning,
        otel=metric.otel,
        prometheus=metric.prometheus,
        aliases=metric.aliases,
        labels=metric.labels,
    )


def _messages(pasts: list[Past], rows_read: int) -> Iterator[pb.QueryRangeResponse]:
    """The answer in messages below 1 MiB: long series are continued in the next one under the same key."""
    message, room = pb.QueryRangeResponse(tier=RAW, rows_read=rows_read), VALUES_A_MESSAGE
    for past in pasts:
        for at in range(0, len(past.times_us), VALUES_A_MESSAGE):
            part = slice(at, at + VALUES_A_MESSAGE)
            times_us = past.times_us[part]
            if len(times_us) > room:
                yield message
                message, room = pb.QueryRangeResponse(tier=RAW), VALUES_A_MESSAGE
            message.series.add(key=to_key(past.series), times_us=times_us.tolist(), values=past.values[part].tolist())
            room -= len(times_us)
    yield message
