"""Bodies packed and unpacked, both languages, and what is turned away: bombs, rubbish, depth."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceResponse

from services.gateway.otlp.wire import JSON, MAX_BYTES, PROTOBUF, Refused, answer, language, parse, status, unpack
from tests.gateway.otlp.messages import CHAT, gauge, histogram, number, request

MESSAGE = request(
    gauge("hw.power", "W", number(80.0, hw__id="0")), histogram("gen_ai.server.request.duration", "s", [1.0], CHAT)
)


def refused(status_: int, body: bytes, encoding: str = "", kind: str = PROTOBUF) -> str:
    with pytest.raises(Refused) as caught:
        parse(unpack(body, encoding), kind)
    assert caught.value.status == status_
    return caught.value.message


def test_both_languages_say_the_same() -> None:
    binary = MESSAGE.SerializeToString()
    text = json_format.MessageToJson(MESSAGE).encode()
    assert parse(binary, PROTOBUF) == parse(text, JSON) == MESSAGE
    assert parse(unpack(gzip.compress(binary), "GZIP"), PROTOBUF) == MESSAGE
    assert language("Application/JSON; charset=utf-8") == JSON


def test_fields_of_a_newer_protocol_are_passed_over() -> None:
    plain = json.loads(json_format.MessageToJson(MESSAGE))
    plain["resourceMetrics"][0]["scopeMetrics"][0]["metrics"][0]["fromTheFuture"] = {"deep": [1, 2]}
    plain["alsoNew"] = "yes"
    assert parse(json.dumps(plain).encode(), JSON) == MESSAGE
    assert len(parse(MESSAGE.SerializeToString() + b"\xfa\x3e\x02hi", PROTOBUF).resource_metrics) == 1


def test_a_bomb_is_cut_off_at_the_limit() -> None:
    bomb = gzip.compress(bytes(200 << 20), 9)
    assert len(bomb) < 1 << 20
    tracemalloc.start()
    refused(413, bomb, "gzip")
    refused(413, gzip.compress(bytes(MAX_BYTES)) * 40, "gzip")  # of many members, each within the limit
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * MAX_BYTES  # of 200 MiB and 800 MiB
    assert len(unpack(gzip.compress(bytes(MAX_BYTES)), "gzip")) == MAX_BYTES


def test_what_is_no_message_is_400_and_is_not_quoted() -> None:
    canary = "the patient's name is Ada Lovelace"
    for body, encoding, kind in (
        (canary.encode(), "", PROTOBUF),
        (canary.encode(), "", JSON),
        (json.dumps({"resourceMetrics": canary}).encode(), "", JSON),
        (b"\xff\xfe", "", JSON),
        (gzip.compress(canary.encode())[:-4], "gzip", PROTOBUF),
        (canary.encode(), "gzip", PROTOBUF),
    ):
        assert "Ada" not in refused(400, body, encoding, kind)


@pytest.mark.parametrize("depth", [60, 1000, 100_000])
def test_depth_is_bounded_in_both_languages(depth: int) -> None:
    value = '{"arrayValue":{"values":[' * depth + '{"intValue":1}' + "]}}" * depth
    text = '{"resourceMetrics":[{"resource":{"attributes":[{"key":"k","value":' + value + "}]}}]}"
    refused(400, text.encode(), "", JSON)
    if depth >= 1000:
        inner = b"\x18\x01"
        for _ in range(min(depth, 4000)):
            inner = b"\x2a" + _varint(len(inner)) + inner
            inner = b"\x0a" + _varint(len(inner)) + inner
        body = b"\x0a\x01k\x12" + _varint(len(inner)) + inner
        for tag in (b"\x0a", b"\x0a", b"\x0a"):
            body = tag + _varint(len(body)) + body
        refused(400, body)


def test_other_languages_and_encodings_are_415() -> None:
    for kind in ("", "text/plain", "application/grpc", "application/x-www-form-urlencoded"):
        with pytest.raises(Refused, match="Content-Type") as caught:
            language(kind)
        assert caught.value.status == 415
    refused(415, b"", "br")


@given(st.text(max_size=400))
def test_a_status_is_a_google_rpc_status(text: str) -> None:
    text = text.encode("utf-8", "replace").decode()
    # ExportMetricsPartialSuccess has a string in field 2 as well: it reads our bytes with the official decoder.
    partial = ExportMetricsServiceResponse().partial_success
    partial.MergeFromString(status(PROTOBUF, text))
    assert partial.error_message == text
    assert json.loads(status(JSON, text)) == {"message": text}


def test_an_answer_is_empty_where_all_was_taken() -> None:
    assert answer(PROTOBUF, 0, "") == b""
    assert json.loads(answer(JSON, 0, "")) == {}
    partial = ExportMetricsServiceResponse.FromString(answer(PROTOBUF, 3, "why")).partial_success
    assert (partial.rejected_data_points, partial.error_message) == (3, "why")
    assert json.loads(answer(JSON, 3, "why"))["partialSuccess"]["errorMessage"] == "why"


def _varint(number_: int) -> bytes:
    found = bytearray()
    while number_ > 0x7F:
        found.append(number_ & 0x7F | 0x80)
        number_ >>= 7
    return bytes((*found, number_))
