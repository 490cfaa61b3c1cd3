"""What the machine did in the seconds of one request: CPU, GPU, video memory, other requests.

What is not measured is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import grpc
from wfmonitor.v1 import metrics_service_pb2 as metrics
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub

from services.cli.text import printable

_TIMEOUT_S = 20.0
# One that began longer before is not looked for.
_BEFORE_US = 600_000_000
_MOST = 1000
_GIB = 2.0**30


def lines(channel: Any, record: RequestRecord) -> list[list[str]]:
    """Return (what, how much) of the same seconds; none of a request that is under way."""
    if not record.HasField("e2e_ms"):
        return []
    end_us = record.start_us + round(record.e2e_ms * 1000)
    found = []
    for name, metric in (("CPU", "system.cpu.percent"), ("GPU", "gpu.util_percent")):
        most = _over(channel, metric, "max", record, end_us)
        for source, mean in _over(channel, metric, "avg", record, end_us).items():
            peak = f", {most[source]:.0f} % at most" if source in most else ""
            found.append([_named(name, source), f"{mean:.0f} % on average{peak}"])
    for source, held in _over(channel, "gpu.mem_used_bytes", "max", record, end_us).items():
        found.append([_named("VRAM", source), f"{held / _GIB:.1f} GiB at most"])
    asked = pb.ListRequestsRequest(limit=_MOST, after_us=record.start_us - _BEFORE_US, before_us=end_us)
    others = RequestsServiceStub(channel).ListRequests(asked, timeout=_TIMEOUT_S).requests
    return [*found, ["others", beside(record, others)]]


def beside(record: RequestRecord, others: Iterable[RequestRecord]) -> str:
    """Return how many other requests ran in the same time, by model."""
    end_us = record.start_us + record.e2e_ms * 1000
    models = Counter(
        printable(one.model)
        for one in others
        if one.id != record.id
        and one.start_us < end_us
        and (not one.HasField("e2e_ms") or one.start_us + one.e2e_ms * 1000 > record.start_us)
    )
    return ", ".join(f"{count} of {model}" for model, count in models.most_common()) or "no other request ran"


def _over(channel: Any, metric: str, stat: str, record: RequestRecord, end_us: int) -> dict[str, float]:
    """Source → a statistic over the request's time, where it is measured."""
    asked = metrics.QueryInstantRequest(
        selector=metrics.Selector(metric=metric),
        stat=stat,
        window=f"{max(1, round(record.e2e_ms))}ms",
        time_us=end_us,
    )
    try:
        answer = MetricsServiceStub(channel).QueryInstant(asked, timeout=_TIMEOUT_S)
    except grpc.RpcError:  # what the machine did is an addition; the request is shown without it
        return {}
    return {
        key.source: value
        for one in answer.values
        for key, value in zip(one.series, one.values, strict=True)
        if value == value and not key.labels
    }


def _named(name: str, source: str) -> str:
    return name if source == "system" else f"{name} {printable(source)}"
