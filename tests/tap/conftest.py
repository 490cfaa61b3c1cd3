"""A running tap with its bus and governance, and a runtime behind it, all as real processes."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import grpc
import pytest
from wfmonitor.v1 import requests_service_pb2 as pb
from wfmonitor.v1 import settings_service_pb2 as settings
from wfmonitor.v1.request_pb2 import RequestRecord
from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub
from wfmonitor.v1.sample_pb2 import RateGroup, SampleBatch
from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

from bus import topics
from bus.clock import wall_us
from tests.stack import Ear, Stack
from tests.tap.runtime_shapes import MODEL
from tests.waiting import until


def trend_of(ear: Ear, model: str) -> list[SampleBatch]:
    """What the tap itself told of a model's scores."""
    told = [SampleBatch.FromString(payload) for topic, payload in ear.messages if topic.startswith(topics.SAMPLES)]
    wanted = ("tap", f"model:{model}", RateGroup.RATE_GROUP_TREND)
    return [batch for batch in told if (batch.producer, batch.source, batch.group) == wanted]


class Runtime:
    """The process of tests.tap.runtime_server."""

    def __init__(self, port: int = 0, owner: str = "llamacpp") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.tap.runtime_server", str(port), owner], stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Tapped:
    """The stack, the runtime, and a client."""

    stack: Stack
    runtime: Runtime
    http: aiohttp.ClientSession
    since_us: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.stack.home.ports.tap}"

    def ask(self, path: str, *, direct: bool = False, **script: Any) -> Any:
        """A request for a generation, through the tap or past it; an async context manager."""
        url = (self.runtime.url if direct else self.url) + path
        return self.http.post(url, json={"model": MODEL, "stream": True}, headers={"X-Script": json.dumps(script)})

    async def read(self, path: str, **script: Any) -> bytes:
        """A whole generation through the tap."""
        async with self.ask(path, **script) as answer:
            return bytes(await answer.read())

    async def seen(self) -> dict[str, Any]:
        """What the runtime saw."""
        async with self.http.get(f"{self.runtime.url}/seen") as answer:
            return dict(await answer.json())

    async def record(self) -> RequestRecord:
        """The record of the first request that ended since the last call."""
        asked = pb.ListRequestsRequest(after_us=self.since_us, limit=1000)

        async def ask() -> Any:
            return (await self.requests().ListRequests(asked, timeout=30)).requests

        ended = await until(ask)
        self.since_us = ended[-1].start_us + 1
        return RequestRecord.FromString(ended[-1].SerializeToString())

    def requests(self) -> Any:
        """The tap's RequestsService."""
        return RequestsServiceStub(grpc.aio.insecure_channel(f"unix:{self.stack.home.socket('tap')}"))


@pytest.fixture(scope="session")
def tap_stack() -> Iterator[Stack]:
    with Stack(services=("forwarder", "governance", "tap")) as running:
        yield running


@pytest.fixture(scope="session")
def runtime() -> Iterator[Runtime]:
    started = Runtime()
    yield started
    started.kill()


def set_value(stack: Stack, key: str, value: object) -> None:
    """Changes a setting and waits until its target obeys; fails where it refuses."""
    with grpc.insecure_channel(f"unix:{stack.home.socket('governance')}") as channel:
        answer = SettingsServiceStub(channel).Change(
            settings.ChangeRequest(key=key, value=json.dumps(value), actor="person:test", wait_s=30.0), timeout=60
        )
    assert answer.result.applied or not answer.HasField("result"), answer.result.reason


@pytest.fixture
async def tapped(tap_stack: Stack, runtime: Runtime) -> AsyncIterator[Tapped]:
    set_value(tap_stack, "tap.find", False)  # what else runs on this machine is no part of a test
    set_value(tap_stack, "tap.routes", json.dumps({"": runtime.url}))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(100)) as http:
        yield Tapped(tap_stack, runtime, http, wall_us())


@pytest.fixture
def of_many_models(tapped: Tapped) -> Iterator[None]:
    """The tap leads to a runtime that may serve any model."""
    runtime = Runtime(owner="vllm")
    set_value(tapped.stack, "tap.routes", json.dumps({"": runtime.url}))
    yield
    runtime.kill()
