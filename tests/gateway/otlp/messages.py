"""Messages as the OpenTelemetry SDKs export them, made of the protocol's own classes."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    ExponentialHistogramDataPoint,
    Gauge,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
)

NOW_US = 1_795_500_000_000_000
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
# The boundaries that the SDKs are told to use for durations (semantic conventions, gen_ai.client.operation.duration).
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92)
# Those of an instrument that is told nothing, whatever its unit (the SDKs for Python 1.45 and JavaScript 2).
USUAL = (0.0, 5.0, 10.0, 25.0, 50.0, 75.0, 100.0, 250.0, 500.0, 750.0, 1000.0, 2500.0, 5000.0, 7500.0, 10000.0)


def attributes(told: dict[str, str | int | bool]) -> list[KeyValue]:
    made = []
    for key, value in told.items():
        if isinstance(value, bool):
            made.append(KeyValue(key=key, value=AnyValue(bool_value=value)))
        elif isinstance(value, int):
            made.append(KeyValue(key=key, value=AnyValue(int_value=value)))
        else:
            made.append(KeyValue(key=key, value=AnyValue(string_value=value)))
    return made


def request(*metrics: Metric, sender: str = "chat-app") -> ExportMetricsServiceRequest:
    message = ExportMetricsServiceRequest()
    resource = message.resource_metrics.add()
    resource.resource.attributes.extend(
        attributes({"service.name": sender, "telemetry.sdk.language": "python", "telemetry.sdk.name": "opentelemetry"})
    )
    scope = resource.scope_metrics.add()
    scope.scope.name = "opentelemetry.instrumentation.openai_v2"
    scope.metrics.extend(metrics)
    return message


def number(value: float, at_us: int = NOW_US, start_us: int = 0, **told: str | int | bool) -> NumberDataPoint:
    return NumberDataPoint(
        as_double=value,
        time_unix_nano=at_us * 1000,
        start_time_unix_nano=start_us * 1000,
        attributes=attributes({name.replace("__", "."): one for name, one in told.items()}),
    )


def gauge(name: str, unit: str, *points: NumberDataPoint) -> Metric:
    return Metric(name=name, unit=unit, gauge=Gauge(data_points=points))


def total(name: str, unit: str, *points: NumberDataPoint, delta: bool = False, monotonic: bool = True) -> Metric:
    made = Metric(name=name, unit=unit)
    made.sum.data_points.extend(points)
    made.sum.is_monotonic = monotonic
    made.sum.aggregation_temporality = DELTA if delta else CUMULATIVE
    return made


def counted(values: Sequence[float], bounds: Sequence[float]) -> list[int]:
    """Values put into (lower, upper] buckets, one after the other."""
    counts = [0] * (len(bounds) + 1)
    for value in values:
        counts[next((place for place, bound in enumerate(bounds) if value <= bound), len(bounds))] += 1
    return counts


def histogram(
    name: str,
    unit: str,
    values: Sequence[float],
    told: dict[str, str | int | bool],
    *,
    at_us: int = NOW_US,
    start_us: int = 0,
    delta: bool = False,
    bounds: Sequence[float] = SECONDS,
    extremes: bool = False,
) -> Metric:
    made = Metric(name=name, unit=unit)
    made.histogram.aggregation_temporality = DELTA if delta else CUMULATIVE
    made.histogram.data_points.append(
        HistogramDataPoint(
            attributes=attributes(told),
            start_time_unix_nano=start_us * 1000,
            time_unix_nano=at_us * 1000,
            count=len(values),
            sum=sum(values),
            bucket_counts=counted(values, bounds),
            explicit_bounds=bounds,
            **({"min": min(values), "max": max(values)} if extremes else {}),
        )
    )
    return made


def exponential(
    name: str,
    unit: str,
    point: ExponentialHistogramDataPoint,
    told: dict[str, str | int | bool],
    *,
    delta: bool = False,
) -> Metric:
    made = Metric(name=name, unit=unit)
    made.exponential_histogram.aggregation_temporality = DELTA if delta else CUMULATIVE
    point.attributes.extend(attributes(told))
    made.exponential_histogram.data_points.append(point)
    return made


CHAT: dict[str, str | int | bool] = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "llama3:8b",
    "gen_ai.response.model": "llama3:8b",
    "server.address": "127.0.0.1",
    "server.port": 11434,
}
