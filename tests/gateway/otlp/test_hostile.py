"""Messages that are made to cost: small on the wire and large in memory, or without end in what is remembered."""

from __future__ import annotations

import gzip
import json
import time

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from services.gateway.otlp import streams
from services.gateway.otlp.receiver import MAX_POINTS, Receiver
from services.gateway.otlp.streams import MAX_STREAMS, SILENT_US, Streams
from services.gateway.otlp.wire import JSON, MAX_BYTES, MAX_OBJECTS, PROTOBUF, Refused, parse, unpack
from tests.gateway.otlp.messages import NOW_US, number, request, total

S = 1_000_000
EMPTY = {
    "resources": (PROTOBUF, b"\x0a\x00" * (MAX_BYTES // 4)),
    "scopes": (PROTOBUF, b"\x0a\x80\x80\x80\x02" + b"\x12\x00" * (2 << 20)),
    "objects": (JSON, b'{"resourceMetrics":[' + b"{}," * (MAX_BYTES // 4) + b"{}]}"),
    "lists that nobody asked for": (JSON, b'{"x":[' + b"[]," * (MAX_BYTES // 4) + b"[]]}"),
    "numbers": (JSON, b'{"x":[' + b"1," * (MAX_BYTES // 3) + b"1]}"),
}


@pytest.mark.parametrize("what", EMPTY)
def test_millions_of_nothings_are_refused_before_they_cost(what: str) -> None:
    kind, body = EMPTY[what]
    packed = gzip.compress(body)
    assert len(packed) < len(body) / 500
    began_s = time.process_time()
    with pytest.raises(Refused) as refused:
        Receiver(NOW_US).take(parse(unpack(packed, "gzip"), kind), NOW_US)
    assert refused.value.status == 413
    assert time.process_time() - began_s < 5.0  # it was up to 35


def test_as_many_points_as_are_taken_at_once_are_taken_in_json_too() -> None:
    told = {f"attribute.{index}": "a text, with {braces}" for index in range(18)}
    point = {"asDouble": 1, "attributes": [{"key": key, "value": {"stringValue": text}} for key, text in told.items()]}
    metric = {"name": "system.uptime", "unit": "s", "gauge": {"dataPoints": [point] * MAX_POINTS}}
    body = json.dumps({"resourceMetrics": [{"scopeMetrics": [{"metrics": [metric]}]}]}, separators=(",", ":")).encode()
    assert len(body) < MAX_BYTES
    assert body.count(b"{") > MAX_OBJECTS // 2
    with pytest.raises(Refused):
        parse(body.replace(b"{braces}", b"{" * 9), JSON)  # counted without being read
    assert len(parse(body.replace(b"{braces}", b""), JSON).resource_metrics) == 1


def test_a_full_memory_of_streams_is_not_looked_through_for_each_point(monkeypatch: pytest.MonkeyPatch) -> None:
    sweeps: list[int] = []
    forget = Streams._forget
    monkeypatch.setattr(Streams, "_forget", lambda self, before_us: (sweeps.append(before_us), forget(self, before_us)))
    receiver = Receiver(NOW_US)

    def senders(first: int, number_of: int) -> ExportMetricsServiceRequest:
        message = ExportMetricsServiceRequest()
        for index in range(first, first + number_of):
            point = number(1.0, start_us=NOW_US - S, system__device="sda", disk__io__direction="read")
            message.MergeFrom(request(total("system.disk.io", "By", point), sender=f"sender-{index}"))
        return message

    assert receiver.take(senders(0, MAX_STREAMS), NOW_US).rejected.points == 0
    for turn in range(3):
        assert receiver.take(senders((turn + 1) * MAX_STREAMS, 500), NOW_US + turn).rejected.points == 500
    assert len(sweeps) == 1
    # Those that fell silent give their room up, and a clock that was set back keeps nobody out.
    later_us = NOW_US + SILENT_US + 1
    assert receiver.take(senders(5 * MAX_STREAMS, 500), later_us).rejected.points == 0
    assert abs(later_us - NOW_US) > streams._SWEEP_US


@pytest.mark.parametrize("start_us", [2**63 // 1000, NOW_US + 3600 * S])
def test_a_start_that_lies_behind_its_point_is_none(start_us: int) -> None:
    """Taken at its word, each point would be a restart and all that it ever counted new."""
    receiver = Receiver(NOW_US - 3600 * S)
    told = []
    for turn in range(3):
        at_us = NOW_US + turn * S
        point = number(1000.0 + turn, at_us=at_us, start_us=start_us, hw__id="0", hw__type="gpu")
        (row,) = receiver.take(request(total("hw.energy", "J", point)), at_us).rows
        told += row.values.values()
    assert told == [0.0, 1.0, 2.0]
