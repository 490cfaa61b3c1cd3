"""The hub's one upstream: open only while somebody looks, key frames for newcomers, gaps and new epochs."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from services.gateway.live_hub import LiveHub
from services.gateway.live_wire import head
from services.gateway.slot import Slot
from tests.attacks.raw_http import routes
from tests.gateway.test_slot import frame

Handler = Callable[[str, bytes], None]


class Upstream:
    """The bus and the aggregator as the hub sees them."""

    def __init__(self) -> None:
        self.handler: Handler | None = None
        self.key: bytes | None = None
        self.asked = 0

    def open(self, handler: Handler) -> Callable[[], None]:
        self.handler = handler
        return self.shut

    def shut(self) -> None:
        self.handler = None

    async def fetch(self) -> bytes | None:
        self.asked += 1
        return self.key

    def send(self, raw: bytes) -> None:
        assert self.handler is not None
        self.handler("1/live/", raw)


class Reader:
    """A client that takes when the test says so."""

    def __init__(self) -> None:
        self.slot = Slot()
        self.woken = 0

    def wake(self) -> None:
        self.woken += 1

    def tick(self, now_s: float) -> None:
        pass


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def hub(upstream: Upstream) -> LiveHub:
    return LiveHub(upstream.open, upstream.fetch, lambda: asyncio.get_running_loop().time())


async def asked(hub: LiveHub) -> None:
    """Until the question for a key frame has been answered."""
    assert hub._asking is not None
    await hub._asking


async def test_the_upstream_is_open_while_somebody_looks(hub: LiveHub, upstream: Upstream) -> None:
    one, two = Reader(), Reader()
    hub.join(one)
    handler = upstream.handler
    hub.join(two)
    assert upstream.handler is handler
    hub.leave(one)
    assert upstream.handler is not None
    hub.leave(two)
    assert upstream.handler is None
    hub.leave(two)


async def test_a_newcomer_gets_a_key_frame_at_once(hub: LiveHub, upstream: Upstream) -> None:
    upstream.key = frame(10, key=True)
    reader = Reader()
    hub.join(reader)
    await asked(hub)
    assert reader.slot.take() is upstream.key
    upstream.send(frame(11))
    assert reader.slot.take() == frame(11)


async def test_a_second_newcomer_takes_nothing_from_the_first(hub: LiveHub, upstream: Upstream) -> None:
    first, second = Reader(), Reader()
    hub.join(first)
    upstream.send(frame(1, key=True))
    first.slot.take()
    hub.join(second)
    upstream.send(frame(2))
    assert first.slot.take() == frame(2)
    assert second.slot.take() is None
    upstream.send(frame(3, key=True))
    assert second.slot.take() == frame(3, key=True)


async def test_a_gap_is_counted_and_a_key_frame_asked_for(hub: LiveHub, upstream: Upstream) -> None:
    reader = Reader()
    hub.join(reader)
    await asked(hub)
    upstream.send(frame(1, key=True))
    upstream.send(frame(2))
    upstream.key = frame(5, key=True)
    upstream.send(frame(5))
    await asked(hub)
    assert (hub.gaps_total, upstream.asked) == (1, 2)
    content = reader.slot.take()
    assert content is not None
    assert head(content).seq == 5


async def test_a_new_epoch_begins_with_a_key_frame(hub: LiveHub, upstream: Upstream) -> None:
    reader = Reader()
    hub.join(reader)
    upstream.send(frame(100, key=True))
    upstream.send(frame(101))
    upstream.send(frame(1, epoch=8))
    assert reader.slot.take() is None
    upstream.send(frame(2, epoch=8, key=True))
    content = reader.slot.take()
    assert content is not None
    assert head(content)[:2] == (8, 2)
    assert hub.gaps_total == 0


async def test_what_is_lost_for_one_is_counted_after_it_has_gone(hub: LiveHub, upstream: Upstream) -> None:
    reader = Reader()
    hub.join(reader)
    upstream.send(frame(1, key=True))
    reader.slot.take()
    for seq in range(2, 12):
        upstream.send(frame(seq))
    reader.slot.take()
    hub.leave(reader)
    assert hub.conflated_total == 9


async def test_rubbish_from_upstream_is_refused(hub: LiveHub, upstream: Upstream) -> None:
    reader = Reader()
    hub.join(reader)
    with pytest.raises(ValueError, match="not a LiveFrame"):
        upstream.send(b"\x0a\x03abc")
    assert reader.slot.take() is None


def test_the_docs_name_every_address() -> None:
    text = (Path(__file__).parents[2] / "docs" / "doors.md").read_text(encoding="utf-8")
    missing = [path for _, path in routes() if path != "/index.html" and f" {path}`" not in text]
    assert missing == []
