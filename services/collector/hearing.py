"""What others tell the collector over the bus: the records of requests. Best effort: a lost one was not heard of."""

from __future__ import annotations

from wfmonitor.v1.request_pb2 import RequestRecord

from bus import topics
from bus.clock import boot_us, monotonic_s
from bus.context import ServiceContext
from services.collector.runtime.asked import Asked


def hear_requests(ctx: ServiceContext, asked: Asked) -> None:
    """Note who was asked, for as long as the service lives."""

    def on_request(_topic: str, payload: bytes) -> None:
        record = RequestRecord.FromString(payload)
        from_s = monotonic_s() - (boot_us() - record.start_boot_us) / 1e6
        load_ms = record.load_ms if record.HasField("load_ms") else None
        asked.hear(record.model, record.runtime, from_s, load_ms)

    ctx.subscribe([topics.REQUESTS], on_request)
