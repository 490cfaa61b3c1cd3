"""What `wfmon up` says while it stays: one line for each change of a service, and nothing while all is well."""

from __future__ import annotations

import re
import subprocess
import threading
import time
from types import TracebackType
from typing import Self

import grpc
from wfmonitor.v1.health_pb2 import Health, ServiceState
from wfmonitor.v1.metrics_service_pb2 import ListHealthRequest
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from bus.home import Home
from services.cli.connection import open_door
from services.cli.text import printable

# Services speak of their health at 1 Hz.
_LOOK_S = 1.0
_LINE = re.compile(r"(?:INFO|WARN|CRIT) (spawned|exited|stopped|gave up): '?([\w-]+)'?(?: \((.*)\)| with pid (\d+))?")


class Foreground:
    """Reads supervisord's own lines and the services' health, and prints what changed."""

    def __init__(self, home: Home, process: subprocess.Popen[bytes]) -> None:
        self._home = home
        self._process = process
        self._stop = threading.Event()
        self._said: dict[str, tuple[int, str]] = {}

    def __enter__(self) -> Self:
        for work in (self._read_supervisord, self._watch_health):
            threading.Thread(target=work, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()

    def _read_supervisord(self) -> None:
        # Read to the end also while stopping: a full pipe would hold supervisord up.
        for raw in self._process.stdout or ():
            line = told(raw.decode("utf-8", "replace"))
            if line and not self._stop.is_set():
                say(line)

    def _watch_health(self) -> None:
        with open_door(self._home) as channel:
            stub = MetricsServiceStub(channel)
            while not self._stop.wait(_LOOK_S):
                try:
                    services = stub.ListHealth(ListHealthRequest(), timeout=_LOOK_S).services
                except grpc.RpcError:
                    continue  # supervisord's own line says why
                for health in services:
                    if line := self._changed(health):
                        say(line)

    def _changed(self, health: Health) -> str:
        """Return the line for a health that is another than the last of its service."""
        now = (int(health.state), health.reason)
        before = self._said.get(health.service)
        self._said[health.service] = now
        name = ServiceState.Name(health.state).removeprefix("SERVICE_STATE_").lower()
        if before == now or (before is None and health.state == ServiceState.SERVICE_STATE_READY):
            return ""
        return f"{health.service} is {name}" + (f": {printable(health.reason)}" if health.reason else "")


def told(line: str) -> str:
    """Return what a line of supervisord's log tells people, "" for what they need not know."""
    found = _LINE.search(line)
    if not found:
        return ""
    word, service, why, pid = found.groups()
    if word == "spawned":
        return f"{service} started (pid {pid})"
    verb = {"exited": "ended", "stopped": "was stopped", "gave up": "was given up"}[word]
    return f"{service} {verb}" + (f" ({why.removesuffix('; not expected').removesuffix('; expected')})" if why else "")


def say(line: str) -> None:
    """Print one line with its time."""
    print(f"{time.strftime('%H:%M:%S')}  {line}", flush=True)
