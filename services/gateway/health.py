"""What /healthz and grpc.health.v1 say: our own state, and whether the services behind the gRPC door live."""

import asyncio
import contextlib
from collections.abc import Mapping

from aiohttp import web
from wfmonitor.v1.health_pb2 import Health, ServiceState

from bus import topics
from bus.clock import until_beat_s
from bus.context import ServiceContext
from services.gateway.front_door import FrontDoor
from services.gateway.metrics_api import json_response

_WORKS = (ServiceState.SERVICE_STATE_READY, ServiceState.SERVICE_STATE_DEGRADED)
# Services speak each second; one that missed three is away.
_SILENT_AFTER_S = 3.5


class HealthWatch:
    """Listens to the heartbeats of the owners behind the gRPC door."""

    def __init__(self, ctx: ServiceContext, owners: Mapping[str, str]) -> None:
        self._ctx = ctx
        self._owners = owners
        self._heard_s: dict[str, float] = {}
        self._changed = asyncio.Event()
        ctx.subscribe([topics.health(owner) for owner in sorted(set(owners.values()))], self._on_health)

    def route(self) -> web.RouteDef:
        """GET /healthz: ok and the state, no data; 503 while not ready."""
        return web.get("/healthz", self.healthz)

    async def healthz(self, _request: web.Request) -> web.Response:
        """{ok, state}; without a token, so nothing else."""
        name = ServiceState.Name(self._ctx.state).removeprefix("SERVICE_STATE_").lower()
        response = json_response({"ok": self._ctx.state in _WORKS, "state": name})
        if self._ctx.state not in _WORKS:
            response.set_status(503)
        return response

    async def watch(self, front: FrontDoor) -> None:
        """Tells grpc.health.v1 which services serve: at once where one comes or goes, else looks once a second."""
        said: dict[str, bool] = {}
        loop = asyncio.get_running_loop()
        while True:
            self._changed.clear()
            for service, owner in self._owners.items():
                serving = loop.time() - self._heard_s.get(owner, float("-inf")) < _SILENT_AFTER_S
                if said.get(service) is not serving:
                    said[service] = serving
                    await front.say(service, serving)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._changed.wait(), until_beat_s())

    def _on_health(self, _topic: str, payload: bytes) -> None:
        health = Health.FromString(payload)
        before = health.service in self._heard_s
        if health.state in _WORKS:
            self._heard_s[health.service] = asyncio.get_running_loop().time()
        else:
            self._heard_s.pop(health.service, None)
        if before is not (health.service in self._heard_s):
            self._changed.set()
