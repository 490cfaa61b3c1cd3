"""What a comparison takes from elsewhere: what is loaded, video memory, and joules from the records of requests."""

from __future__ import annotations

import math

import aiohttp
import grpc
from wfmonitor.v1.metrics_service_pb2 import QueryInstantRequest, Selector
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub
from wfmonitor.v1.request_pb2 import RequestRecord

from services.tap.compare_loaded import is_loaded, refuses
from services.tap.routes import Upstream
from services.tap.store import Store

_TIMEOUT_S = 2.0
_MOST_RECORDS = 2000


class Sources:
    """All answer with nothing where nothing was measured, or nobody answers."""

    def __init__(self, store: Store, aggregator: grpc.aio.Channel, session: aiohttp.ClientSession) -> None:
        self._store = store
        self._session = session
        self._metrics = MetricsServiceStub(aggregator)

    async def refuses(self, upstream: Upstream, key: str) -> bool:
        """Return whether the runtime is known to take no request with this API key; "" is none."""
        return await refuses(self._session, upstream, key)

    async def loaded(self, upstream: Upstream, model: str, key: str) -> bool | None:
        """Return whether the model is in memory; None where its runtime does not tell."""
        return await is_loaded(self._session, upstream, model, key)

    async def vram(self, model: str) -> int | None:
        """Return the bytes of GPU memory that a model takes, the newest measured within ten seconds."""
        selector = Selector(metric="model.vram_bytes", source=f"model:{model}")
        try:
            answer = await self._metrics.QueryInstant(
                QueryInstantRequest(selector=selector, stat="last", window="10s"), timeout=_TIMEOUT_S
            )
        except grpc.aio.AioRpcError:
            return None
        found = [value for window in answer.values for value in window.values if math.isfinite(value) and value >= 0]
        return round(max(found)) if found else None

    async def records(self, model: str, after_us: int, before_us: int) -> list[RequestRecord]:
        """Return the kept records of a model with a start in [after_us, before_us)."""
        return (await self._store.list(_MOST_RECORDS, model, after_us=after_us, before_us=before_us))[0]
