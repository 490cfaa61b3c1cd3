"""DriftService: what models were, how far they have moved, and learning it anew after a change that a person made."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NoReturn, Protocol

import grpc
from wfmonitor.v1 import drift_service_pb2 as pb
from wfmonitor.v1.drift_service_pb2_grpc import DriftServiceServicer

from bus.actors import is_actor
from services.aggregator.drift import BASELINE, Detector
from services.aggregator.drift_watch import DriftWatch, Stream

Context = grpc.aio.ServicerContext


class Audit(Protocol):
    """Asks for a row of the audit chain."""

    def __call__(self, type_: str, actor: str, **details: str) -> None: ...


class DriftApi(DriftServiceServicer):
    """Answers from the one that watches."""

    def __init__(self, watch: DriftWatch, audit: Audit) -> None:
        self._watch = watch
        self._audit = audit

    async def ListBaselines(
        self, request: pb.ListBaselinesRequest, context: Context[pb.ListBaselinesRequest, pb.ListBaselinesResponse]
    ) -> pb.ListBaselinesResponse:
        chosen = (stream for stream, _ in self._watch.streams() if request.model in ("", stream.model))
        return pb.ListBaselinesResponse(baselines=self._told(chosen))

    async def Relearn(
        self, request: pb.RelearnRequest, context: Context[pb.RelearnRequest, pb.BaselinesChanged]
    ) -> pb.BaselinesChanged:
        return await self._change(request, context, self._watch.relearn, "accuracy.relearn", "baselines")

    async def Restore(
        self, request: pb.RestoreRequest, context: Context[pb.RestoreRequest, pb.BaselinesChanged]
    ) -> pb.BaselinesChanged:
        return await self._change(request, context, self._watch.restore, "accuracy.restore", "held baselines")

    async def _change(
        self,
        request: pb.RelearnRequest | pb.RestoreRequest,
        context: Context[Any, pb.BaselinesChanged],
        change: Callable[[str, str], list[tuple[Stream, Detector]]],
        type_: str,
        what: str,
    ) -> pb.BaselinesChanged:
        if not is_actor(request.actor):
            await _refuse(
                context,
                grpc.StatusCode.INVALID_ARGUMENT,
                f"actor: {request.actor[:80]!r} is not of the form kind:name, as person:cli",
            )
        changed = change(request.model, request.type)
        if not changed:
            of = f" of type {request.type[:80]!r}" if request.type else ""
            await _refuse(context, grpc.StatusCode.NOT_FOUND, f"no {what} of the model {request.model[:80]!r}{of}")
        for stream, before in changed:
            told = {"count": str(before.count), "mean": f"{before.mean:.4f}"}
            self._audit(type_, request.actor, metric=stream.metric, model=stream.model, type=stream.kind, **told)
        await self._watch.save()
        return pb.BaselinesChanged(baselines=self._told(stream for stream, _ in changed))

    def _told(self, streams: Iterable[Stream]) -> list[pb.Baseline]:
        detectors = dict(self._watch.streams())
        return [
            _baseline(stream, detectors[stream], before=self._watch.holds(stream))
            for stream in sorted(streams, key=lambda stream: (stream.model, stream.metric, stream.kind))
        ]


def _baseline(stream: Stream, detector: Detector, *, before: bool) -> pb.Baseline:
    told = pb.Baseline(
        metric=stream.metric,
        model=stream.model,
        type=stream.kind,
        count=detector.count,
        wanted=BASELINE,
        mean=detector.mean,
        deviation=detector.deviation,
        drifts=detector.drifts,
        before=before,
    )
    if detector.learned:
        told.level = detector.level
    return told


async def _refuse(context: Context[Any, Any], code: grpc.StatusCode, what: str) -> NoReturn:
    await context.abort(code, what)
