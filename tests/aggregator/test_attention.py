"""Who listens how closely, between a real producer and a real reader on a real bus."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import zmq

from bus import topics
from bus.home import Config, Home
from bus.listening import ListeningPublisher, Subscriber
from bus.outbox import Outbox
from services.aggregator import attention as module
from services.aggregator.attention import Attention
from tests.stack import free_port_base
from tests.waiting import until

ROW = topics.sample("system")
HEALTH = topics.health("producer")


class Wire:
    """A producer that holds its rows, and a reader that looks once an hour."""

    def __init__(self, home: Home) -> None:
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._publisher = ListeningPublisher(home, self._context)
        self.producer = Outbox(self._publisher.send)
        self._publisher.listen(self.producer.on_subscription)
        self._subscriber = Subscriber(home, self._context)
        self.heard: list[bytes] = []
        self.healths = 0
        self._subscriber.subscribe([ROW], lambda _, payload: self.heard.append(payload))
        self._subscriber.subscribe([HEALTH], self._on_health)
        self.listening = False
        self.attention = Attention(self._subscriber, lambda: self.listening)

    def _on_health(self, _topic: str, _payload: bytes) -> None:
        self.healths += 1

    async def connected(self) -> None:
        """Until the producer is heard; then the reader goes at its own pace."""
        await until(self._greeted)
        self.attention.attend()

    def _greeted(self) -> bool:
        self.producer.send(HEALTH, b"")
        return self.healths > 0

    def close(self) -> None:
        self.attention.close()
        self._subscriber.close()
        self._publisher.close()
        self._context.term()


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One with a running forwarder."""
    home = Home(Path(tmp_path_factory.mktemp("a")) / "home")
    home.prepare()
    Config(port_base=free_port_base()).save(home.config_file)
    forwarder = subprocess.Popen([sys.executable, "-m", "services.forwarder", "--home", str(home.root)])
    yield home
    forwarder.kill()
    forwarder.wait()


@pytest.fixture
async def wire(home: Home, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Wire]:
    monkeypatch.setattr(module, "IDLE_LOOK_S", 3600.0)
    monkeypatch.setattr(module, "HAND_OVER_S", 30.0)
    made = Wire(home)
    try:
        await made.connected()
        yield made
    finally:
        made.close()


async def test_a_question_takes_the_rows_that_a_producer_holds(wire: Wire) -> None:
    for number in range(3):
        wire.producer.send(ROW, bytes([number]))
    assert len(wire.producer) == 3
    await asyncio.gather(wire.attention.look(), wire.attention.look())
    assert wire.heard == [b"\0", b"\1", b"\2"]


async def test_after_a_question_rows_come_on_their_tick_until_nobody_asks_any_more(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    await wire.attention.look()
    wire.producer.send(ROW, b"on its tick")
    assert len(wire.producer) == 0
    monkeypatch.setattr(module, "STAYS_S", 0.0)
    await wire.attention.look()

    def held() -> bool:
        wire.producer.send(ROW, b"on the beat")
        return len(wire.producer) > 0

    await until(held)


async def test_who_is_shown_rows_hears_what_was_held_and_each_as_it_comes(wire: Wire) -> None:
    wire.producer.send(ROW, b"held")
    wire.listening = True
    wire.attention.attend()
    await until(lambda: wire.heard == [b"held"])
    wire.producer.send(ROW, b"on its tick")
    await until(lambda: wire.heard == [b"held", b"on its tick"])
