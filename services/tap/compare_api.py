"""CompareService: begin, watch, end and list comparisons of models."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NoReturn, TypeVar

import grpc
from google.protobuf.message import Message
from wfmonitor.v1 import compare_service_pb2 as pb
from wfmonitor.v1.compare_service_pb2_grpc import CompareServiceServicer

from services.tap.compare import Comparing, NotNow
from services.tap.compare_plan import PlanError
from services.tap.compare_store import CompareStore, is_of

_USUAL, _MOST = 20, 200
Asked = TypeVar("Asked", bound=Message)
Told = TypeVar("Told", bound=Message)


class CompareApi(CompareServiceServicer):
    """Answers from the run under way and from what was kept."""

    def __init__(self, comparing: Comparing, store: CompareStore) -> None:
        self._comparing = comparing
        self._store = store

    async def StartCompare(
        self, request: pb.ComparePlan, context: grpc.aio.ServicerContext[pb.ComparePlan, pb.CompareRun]
    ) -> pb.CompareRun:
        """Begin; what stands against it is told with its mend."""
        try:
            return await self._comparing.start(request)
        except PlanError as error:
            await _refuse(context, grpc.StatusCode.INVALID_ARGUMENT, str(error))
        except NotNow as error:
            await _refuse(context, grpc.StatusCode.FAILED_PRECONDITION, str(error))

    async def WatchCompare(
        self, request: pb.WatchCompareRequest, context: grpc.aio.ServicerContext[pb.WatchCompareRequest, pb.CompareRun]
    ) -> AsyncIterator[pb.CompareRun]:
        """The run as it grows, until it has ended."""
        told = False
        async for run in self._comparing.watch(request.id):
            told = True
            yield run
        if not told:
            yield await self._kept(request.id, context)

    async def CancelCompare(
        self,
        request: pb.CancelCompareRequest,
        context: grpc.aio.ServicerContext[pb.CancelCompareRequest, pb.CompareRun],
    ) -> pb.CompareRun:
        """End it; of one that has ended, what it was."""
        await self._comparing.cancel(request.id)
        run = self._comparing.run
        return run if run is not None and run.id == request.id else await self._kept(request.id, context)

    async def ListCompares(
        self,
        request: pb.ListComparesRequest,
        context: grpc.aio.ServicerContext[pb.ListComparesRequest, pb.ListComparesResponse],
    ) -> pb.ListComparesResponse:
        """The one under way or the last, which may not be kept, then the newest."""
        limit = min(request.limit or _USUAL, _MOST)
        run = self._comparing.run
        first = [run] if run is not None and is_of(run, request.model) else []
        kept = [one for one in await self._store.list(limit, request.model) if not first or one.id != first[0].id]
        return pb.ListComparesResponse(runs=(first + kept)[:limit])

    async def _kept(self, id_: str, context: grpc.aio.ServicerContext[Asked, Told]) -> pb.CompareRun:
        run = await self._store.get(id_)
        if run is None:
            await _refuse(
                context, grpc.StatusCode.NOT_FOUND, f"no comparison {id_[:64]!r}; see wfmon compare --history"
            )
        return run


async def _refuse(context: grpc.aio.ServicerContext[Asked, Told], code: grpc.StatusCode, why: str) -> NoReturn:
    await context.abort(code, why)
    raise AssertionError
