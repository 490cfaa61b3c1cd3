"""An OTLP message as plain points: names, texts bounded in length, one number or one distribution each. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from enum import Enum
from typing import Any, NamedTuple

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, DataPointFlags, Metric

from services.gateway.otlp.distribution import Distribution, Explicit, Exponential, Malformed

MAX_ATTRIBUTES = 64
LONGEST = 200
_NOT_RECORDED = DataPointFlags.DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK
Attributes = dict[str, str]
Identity = tuple[object, ...]


class Form(Enum):
    """What a point's value is."""

    LEVEL = "level"  # a gauge, or a sum that goes up and down
    SUM = "sum"  # a sum that only grows
    TIMES = "times"  # a distribution


class Point(NamedTuple):
    """One value of one stream. Times are wall µs; 0: not told."""

    name: str
    unit: str
    attributes: Attributes
    sender: Identity
    stream: Identity
    start_us: int
    time_us: int
    form: Form
    delta: bool
    value: float | Distribution


class Unfit(NamedTuple):
    """Points that are not taken: of which metric, how many, and why."""

    name: str
    points: int
    why: str


def points_of(request: ExportMetricsServiceRequest) -> Iterator[Point | Unfit]:
    """Every data point of a request; those without a recorded value are left out, as the protocol says."""
    for resource in request.resource_metrics:
        sender = _identity(_texts(resource.resource.attributes))
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                yield from _points(metric, sender, scope.scope.name[:LONGEST])


def _points(metric: Metric, sender: Identity, scope: str) -> Iterator[Point | Unfit]:
    name, unit, kind = metric.name[:LONGEST], metric.unit[:LONGEST], metric.WhichOneof("data")
    if kind is None:
        return
    data = getattr(metric, kind)
    if kind == "summary":
        yield Unfit(name, len(data.data_points), "summaries cannot be added up; send a histogram")
        return
    temporality = getattr(data, "aggregation_temporality", AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE)
    if temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_UNSPECIFIED:
        yield Unfit(name, len(data.data_points), "its temporality is neither delta nor cumulative")
        return
    delta = temporality == AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
    form = _form(kind, data)
    for point in data.data_points:
        if point.flags & _NOT_RECORDED:
            continue
        if len(point.attributes) > MAX_ATTRIBUTES:
            yield Unfit(name, 1, f"more than {MAX_ATTRIBUTES} attributes")
            continue
        attributes = _texts(point.attributes)
        try:
            value = _value(kind, point)
        except Malformed as fault:
            yield Unfit(name, 1, str(fault))
            continue
        yield Point(
            name, unit, attributes, sender, (sender, scope, name, _identity(attributes)),
            point.start_time_unix_nano // 1000, point.time_unix_nano // 1000, form, delta, value,
        )  # fmt: skip


def _form(kind: str, data: Any) -> Form:
    if kind == "sum":
        return Form.SUM if data.is_monotonic else Form.LEVEL
    return Form.LEVEL if kind == "gauge" else Form.TIMES


def _value(kind: str, point: Any) -> float | Distribution:
    match kind:
        case "gauge" | "sum":
            which = point.WhichOneof("value")
            if which is None:
                raise Malformed("it has no value")
            return float(getattr(point, which))
        case "histogram":
            total = point.sum if point.HasField("sum") else float("nan")
            least = point.min if point.HasField("min") else -math.inf
            most = point.max if point.HasField("max") else math.inf
            return Explicit(tuple(point.explicit_bounds), tuple(point.bucket_counts), point.count, total, least, most)
        case _:
            total = point.sum if point.HasField("sum") else float("nan")
            positive, negative = _buckets(point.positive), _buckets(point.negative)
            return Exponential(point.scale, positive, negative, point.zero_count, point.count, total)


def _buckets(buckets: Any) -> dict[int, int]:
    return {buckets.offset + place: count for place, count in enumerate(buckets.bucket_counts) if count}


def _texts(attributes: Iterable[Any]) -> Attributes:
    """Texts, numbers and truths as bounded text; lists and maps are nothing that a series is named by."""
    found: Attributes = {}
    for attribute in attributes:
        match attribute.value.WhichOneof("value"):
            case "string_value":
                found[attribute.key[:LONGEST]] = attribute.value.string_value[:LONGEST]
            case "int_value":
                found[attribute.key[:LONGEST]] = str(attribute.value.int_value)
            case "double_value":
                found[attribute.key[:LONGEST]] = f"{attribute.value.double_value:g}"
            case "bool_value":
                found[attribute.key[:LONGEST]] = str(attribute.value.bool_value).lower()
    return found


def _identity(attributes: Attributes) -> Identity:
    return tuple(sorted(attributes.items()))
