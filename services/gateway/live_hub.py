"""The live stream's one upstream subscription, shared by all clients, and open only while there is one."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Protocol

from services.gateway.live_wire import Head, head
from services.gateway.slot import Slot

# A key frame comes each second anyway; asking more often than this would only repeat it.
_ASK_KEY_EACH_S = 0.25


class Client(Protocol):
    """Whoever is shown the stream: it has a slot, and is woken when something came."""

    slot: Slot

    def wake(self) -> None:
        """Look at the slot; never blocks."""

    def tick(self, now_s: float) -> None:
        """Once a second: leave, when stalled for too long."""


class LiveHub:
    """Hands each frame to every client's slot. It waits for nobody, so the upstream is always drained."""

    def __init__(
        self,
        open_upstream: Callable[[Callable[[str, bytes], None]], Callable[[], None]],
        fetch_key_frame: Callable[[], Awaitable[bytes | None]],
        now_s: Callable[[], float],
    ) -> None:
        self._open_upstream = open_upstream
        self._fetch_key_frame = fetch_key_frame
        self._now_s = now_s
        self._close_upstream: Callable[[], None] | None = None
        self._clients: set[Client] = set()
        self._last = Head(0, 0, False)
        self._asking: asyncio.Task[None] | None = None
        self._asked_s = float("-inf")
        self._for_all = False
        self._left_conflated = 0
        self.max_clients = 32  # setting gateway.clients.max
        self.min_gap_s = 0.0  # between two frames of one client: setting gateway.live.max_hz
        self.frames_total = 0
        self.gaps_total = 0

    @property
    def clients(self) -> int:
        return len(self._clients)

    @property
    def full(self) -> bool:
        """Whether a new client has to be refused."""
        return len(self._clients) >= self.max_clients

    @property
    def conflated_total(self) -> int:
        """Frames that were merged or dropped for some client, since start."""
        return self._left_conflated + sum(client.slot.conflated_total for client in self._clients)

    def join(self, client: Client) -> None:
        """The first one opens the upstream; each gets a key frame first."""
        self._clients.add(client)
        if self._close_upstream is None:
            self._close_upstream = self._open_upstream(self._on_frame)
        self.ask_key(for_all=False)

    def leave(self, client: Client) -> None:
        """The last one closes the upstream, so that the aggregator composes for nobody."""
        if client not in self._clients:
            return
        self._clients.discard(client)
        self._left_conflated += client.slot.conflated_total
        if not self._clients and self._close_upstream is not None:
            self._close_upstream()
            self._close_upstream = None
            self._last = Head(0, 0, False)

    def ask_key(self, *, for_all: bool = True) -> None:
        """A key frame out of turn, after a gap for all, or for those that had none yet; at most four a second."""
        self._for_all = self._for_all or for_all
        if self._asking is None or self._asking.done():
            self._asking = asyncio.get_running_loop().create_task(self._ask())

    def tick(self) -> None:
        """Once a second: clients that hold back look again, and those that stall too long leave."""
        now_s = self._now_s()
        for client in tuple(self._clients):
            client.tick(now_s)
            client.wake()

    def _on_frame(self, _topic: str, frame: bytes) -> None:
        came = head(frame)
        self.frames_total += 1
        before, self._last = self._last, came
        if before.seq and before.epoch != came.epoch:
            for client in self._clients:
                client.slot.hole()
            self.ask_key()
        elif before.seq and came.seq > before.seq + 1:
            self.gaps_total += 1
            self.ask_key()
        self._offer(came, frame)

    def _offer(self, came: Head, frame: bytes) -> None:
        for client in self._clients:
            client.slot.offer(came, frame)
            client.wake()

    async def _ask(self) -> None:
        await asyncio.sleep(max(0.0, self._asked_s + _ASK_KEY_EACH_S - self._now_s()))
        self._asked_s = self._now_s()
        for_all, self._for_all = self._for_all, False
        frame = await self._fetch_key_frame()
        if frame is None:  # the aggregator is away; its own key frame of each second will do
            return
        came = head(frame)
        if came.key:
            for client in self._clients:
                if client.slot.needs_key or (for_all and came.seq >= self._last.seq):
                    client.slot.offer(came, frame)
                    client.wake()
