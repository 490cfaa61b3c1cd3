"""OTLP/HTTP's bytes: content types, gzip, the request and its two answers (the protocol's "OTLP/HTTP").

Pure. An answer speaks the language of its request; an error is a google.rpc.Status with its message alone.
"""

import zlib
from dataclasses import dataclass

import msgspec
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
MAX_BYTES = 20 << 20
# What a message of 10,000 points has many times over: 20 MiB of empty objects take a gigabyte and half a minute.
MAX_OBJECTS = 500_000
MAX_VALUES = 2_000_000
# The deepest a message of metrics goes is 12; attributes may nest, and need not.
MAX_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Refused(Exception):
    """A request that is not taken as a whole: an HTTP status, and a sentence that names the thing, reason and mend."""

    status: int
    message: str


def language(content_type: str) -> str:
    """PROTOBUF or JSON, as the Content-Type says; raises Refused 415 for another."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind in (PROTOBUF, JSON):
        return kind
    said = f"{kind[:80]!r} is neither" if kind else "it is absent, not"
    raise Refused(415, f"Content-Type: {said} {PROTOBUF} nor {JSON}. Set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf.")


def unpack(body: bytes, encoding: str) -> bytes:
    """The body before its Content-Encoding; never more than 20 MiB are unpacked. Raises Refused 400, 413, 415.

    A gzip body of several members (RFC 1952) is taken; so a bomb is cut off at the limit whatever it is made of.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return body
        case "gzip":
            return _gunzip(body)
        case other:
            raise Refused(415, f"Content-Encoding: {other[:40]!r} is not known here. Send gzip or none.")


def _gunzip(body: bytes) -> bytes:
    parts: list[bytes] = []
    room = MAX_BYTES
    try:
        while body:
            member = zlib.decompressobj(zlib.MAX_WBITS + 16)
            parts.append(member.decompress(body, room + 1))
            room -= len(parts[-1])
            if room < 0 or member.unconsumed_tail:
                raise Refused(
                    413, f"body: it is more than {MAX_BYTES} bytes when unpacked. Export fewer points at once."
                )
            if not member.eof:
                raise Refused(400, "body: the gzip stream ends in its middle. Send it whole.")
            body = member.unused_data
    except zlib.error as error:
        raise Refused(400, f"body: it is no gzip stream ({error}). Send what Content-Encoding says.") from error
    return b"".join(parts)


def parse(body: bytes, kind: str) -> ExportMetricsServiceRequest:
    """The request; fields that are not known here are passed over. Raises Refused 400, 413."""
    if kind == JSON and (body.count(b"{") + body.count(b"[") > MAX_OBJECTS or body.count(b",") > MAX_VALUES):
        raise Refused(413, f"body: it holds more than {MAX_OBJECTS} objects or {MAX_VALUES} values. Export fewer.")
    try:
        if kind == PROTOBUF:
            return ExportMetricsServiceRequest.FromString(body)
        return json_format.Parse(
            body.decode("utf-8"),
            ExportMetricsServiceRequest(),
            ignore_unknown_fields=True,
            max_recursion_depth=MAX_DEPTH,
        )
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError, ValueError) as error:
        # Never the error's own text: it may quote the body.
        why = f"{type(error).__name__}"
        raise Refused(
            400, f"body: it is no ExportMetricsServiceRequest in {kind} ({why}). See docs/otlp.md."
        ) from error


def answer(kind: str, rejected: int, message: str) -> bytes:
    """The body of a 200: empty where all points were taken, else how many were not and why."""
    response = ExportMetricsServiceResponse()
    if rejected or message:
        response.partial_success.rejected_data_points = rejected
        response.partial_success.error_message = message
    if kind == PROTOBUF:
        return response.SerializeToString()
    return json_format.MessageToJson(response, indent=None).encode()


def status(kind: str, message: str) -> bytes:
    """A google.rpc.Status with its `message` (field 2); `code` may be left out, says the protocol."""
    if kind != PROTOBUF:
        return msgspec.json.encode({"message": message})
    text = message.encode()
    length = bytearray()
    left = len(text)
    while left > 0x7F:
        length.append(left & 0x7F | 0x80)
        left >>= 7
    length.append(left)
    return b"\x12" + bytes(length) + text
