"""llama.cpp's servers as real processes, and a running tap in front of them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from bus import topics
from demo.runtime import Runtime
from demo.serve import Server
from tests.built_llama import BUILD_S, prepared
from tests.llamacpp.asking import Asking
from tests.llamacpp.native import Native
from tests.stack import Ear, Stack, free_port_base
from tests.tap.conftest import set_value


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of this folder needs a real llama.cpp, and its first test may wait for the build."""
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            item.add_marker(pytest.mark.llamacpp)
            item.add_marker(pytest.mark.timeout(BUILD_S))


@pytest.fixture(scope="session")
def runtime() -> Runtime:
    return prepared()


@pytest.fixture(scope="session")
def ports() -> Iterator[int]:
    """Ports for the servers of one session."""
    base, more = free_port_base(), free_port_base()
    return iter([*range(base, base + 5), *range(more, more + 5)])


@pytest.fixture(scope="session")
def servers(
    runtime: Runtime, ports: Iterator[int], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Server]]:
    """One llama-cpp-python server a model, by the model's name."""
    logs = tmp_path_factory.mktemp("servers")
    started: dict[str, Server] = {}
    try:
        for name in ("demo-small", "demo-large", "demo-closed"):
            started[name] = Server(runtime, name, next(ports), logs / f"{name}.log", context=4096)
        for server in started.values():
            server.wait_ready()
        yield started
    finally:
        for server in started.values():
            server.stop()


@contextmanager
def llama_server(model: str, port: int, logs: Path) -> Iterator[Native]:
    """llama.cpp's own llama-server, which tells its timings."""
    server = Native(prepared(llama_server=True), model, port, logs / "llama-server.log")
    try:
        server.wait_ready()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def native(ports: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    with llama_server("demo-small", next(ports), tmp_path_factory.mktemp("native")) as server:
        yield server


@pytest.fixture(scope="session")
def native_large(ports: Iterator[int], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Native]:
    """At some hundred tokens a second, as models are; the small one's thousands are the machine's scheduling."""
    with llama_server("demo-large", next(ports), tmp_path_factory.mktemp("native")) as server:
        yield server


@pytest.fixture(scope="session")
def tap_stack(runtime: Runtime) -> Iterator[Stack]:
    with Stack(services=("forwarder", "governance", "tap")) as running:
        set_value(running, "tap.find", False)
        yield running


@pytest.fixture(scope="session")
def ear(tap_stack: Stack) -> Iterator[Ear]:
    """Hears all of the bus, from before the first request on."""
    ear = Ear(tap_stack.home, ("1/",))
    ear.wait_for(lambda heard: any(topic == topics.health("tap") for topic, _ in heard), 10.0, "the tap on the bus")
    yield ear
    ear.close()


@pytest.fixture
async def asking(tap_stack: Stack, ear: Ear, servers: dict[str, Server]) -> AsyncIterator[Asking]:
    """A client, and routes by model."""
    set_value(tap_stack, "tap.routes", json.dumps({name: server.url for name, server in servers.items()}))
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(300), trust_env=False) as http:
        yield Asking(tap_stack, ear, http, {name: server.url for name, server in servers.items()})
