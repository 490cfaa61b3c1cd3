"""The aggregator with what it needs to live, as real processes without a supervisor: a test starts and kills them."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from wfmonitor.v1 import metrics_service_pb2 as pb
from wfmonitor.v1.health_pb2 import Health
from wfmonitor.v1.metrics_service_pb2_grpc import MetricsServiceStub

from bus.home import Config, Home
from bus.rpc import open_channel
from tests.stack import free_port_base

MODULES = {"counting": "tests.aggregator.counting_producer"}
PATIENCE_S = 60.0


class Room:
    """`async with Room() as room:` runs forwarder, governance, the counting producer and the aggregator."""

    def __init__(self, services: tuple[str, ...] = ("forwarder", "governance", "counting", "aggregator")) -> None:
        self.services = services
        # Short: the path of a Unix socket may have 107 bytes.
        self.home = Home(Path(tempfile.mkdtemp(prefix="wfa-", dir="/tmp")) / "home")
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._channel: grpc.aio.Channel

    async def __aenter__(self) -> Self:
        os.umask(0o077)
        self.home.prepare()
        Config(port_base=free_port_base()).save(self.home.config_file)
        for service in self.services:
            self.start(service)
        self._channel = open_channel(self.home, "aggregator")
        self.ask = MetricsServiceStub(self._channel)
        await self.ask.ListHealth(pb.ListHealthRequest(), wait_for_ready=True, timeout=PATIENCE_S)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._channel.close(None)
        for service in list(self._processes):
            self.stop(service, signal.SIGKILL)
        rings = self.home.run / "rings"
        if rings.is_symlink():
            shutil.rmtree(rings.readlink(), ignore_errors=True)
        shutil.rmtree(self.home.root.parent)

    def start(self, service: str) -> None:
        with (self.home.log / f"{service}.log").open("ab") as log:
            self._processes[service] = subprocess.Popen(
                [sys.executable, "-m", MODULES.get(service, f"services.{service}"), "--home", str(self.home.root)],
                stdout=log,
                stderr=log,
            )

    def stop(self, service: str, number: signal.Signals = signal.SIGTERM) -> None:
        process = self._processes.pop(service)
        process.send_signal(number)
        process.wait(30)

    def signal(self, service: str, number: signal.Signals) -> None:
        self._processes[service].send_signal(number)

    def kill(self, service: str) -> None:
        """kill -9, and started again at once."""
        self.stop(service, signal.SIGKILL)
        self.start(service)

    def log(self, service: str) -> str:
        return (self.home.log / f"{service}.log").read_text()

    async def health(self) -> Health:
        """The aggregator's own, as it heard it."""
        answer = await self.ask.ListHealth(pb.ListHealthRequest(), wait_for_ready=True, timeout=PATIENCE_S)
        return next((h for h in answer.services if h.service == "aggregator"), Health())

    async def rows(self, metric: str) -> list[tuple[int, float]]:
        """All raw rows of a metric of one series."""
        request = pb.QueryRangeRequest(selector=pb.Selector(metric=metric), start_us=0)
        found: list[tuple[int, float]] = []
        async for message in self.ask.QueryRange(request, wait_for_ready=True, timeout=PATIENCE_S):
            for series in message.series:
                found += zip(series.times_us, series.values, strict=True)
        return found

    async def until(self, true, what: str, timeout_s: float = PATIENCE_S) -> None:
        """Asks again and again until `await true()`."""
        deadline_s = asyncio.get_running_loop().time() + timeout_s
        while not await true():
            if asyncio.get_running_loop().time() > deadline_s:
                raise TimeoutError(f"waited {timeout_s} s for {what}; {self.log('aggregator')[-2000:]}")
            await asyncio.sleep(0.1)
