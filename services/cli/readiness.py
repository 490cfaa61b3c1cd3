"""Waiting for the start: until the gateway answers and the services behind it serve.

Nothing is polled: the gRPC door tells by itself (`grpc.health.v1` Watch), and a supervisord that ends wakes
us too.
"""

from __future__ import annotations

import threading

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from bus.home import Home
from services.cli.connection import open_door

BEHIND_THE_DOOR = ("wfmonitor.v1.SettingsService", "wfmonitor.v1.MetricsService")
_SERVING = health_pb2.HealthCheckResponse.SERVING


class Readiness:
    """Watches the door in threads of its own."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._changed = threading.Condition()
        self._serving: set[str] = set()
        self._given_up = ""
        self._channel: grpc.Channel | None = None

    def start(self) -> None:
        """Begin to watch. The home's token must exist."""
        channel = self._channel = open_door(self._home)
        for service in ("", *BEHIND_THE_DOOR):
            threading.Thread(target=self._watch, args=(channel, service), daemon=True).start()

    def give_up(self, reason: str) -> None:
        """Wake whoever waits: what they wait for will not come."""
        with self._changed:
            self._given_up = reason
            self._changed.notify_all()

    def wait(self, services: tuple[str, ...], timeout_s: float) -> str:
        """Wait until all of `services` serve; "" then, else the reason why not."""

        def settled() -> bool:
            return bool(self._given_up) or self._serving >= set(services)

        with self._changed:
            if self._changed.wait_for(settled, timeout_s):
                return self._given_up if not self._serving >= set(services) else ""
        return f"not ready within {timeout_s:.0f} s"

    def close(self) -> None:
        if self._channel is not None:
            self._channel.close()

    def _watch(self, channel: grpc.Channel, service: str) -> None:
        stub = health_pb2_grpc.HealthStub(channel)
        request = health_pb2.HealthCheckRequest(service=service)
        while not self._given_up:
            try:
                for answer in stub.Watch(request, wait_for_ready=True):
                    self._note(service, answer.status == _SERVING)
            except grpc.RpcError as error:
                if isinstance(error, grpc.Call) and error.code() is grpc.StatusCode.UNAVAILABLE:
                    continue  # the gateway went while we watched; it is being started again
                return
            except ValueError:  # the channel was closed
                return

    def _note(self, service: str, serves: bool) -> None:
        with self._changed:
            if serves:
                self._serving.add(service)
            else:
                self._serving.discard(service)
            self._changed.notify_all()
