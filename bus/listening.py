"""Hearing the event plane in an asyncio loop: messages, and who begins and ends to listen to ours.

Apart from bus/transport.py, so that the forwarder and the listener need not import asyncio.
"""

import asyncio
from collections.abc import Callable, Sequence

import zmq

from bus.clock import monotonic_s, until_beat_s
from bus.home import Home
from bus.transport import Publisher, connected, endpoints

# A reader takes so many messages before it lets the loop breathe.
_DRAIN_AT_ONCE = 256
# Who looks rarely looks when what all say on the beat has come: 5 to 25 ms after it.
_HEARD_AFTER_S = 0.03

Handler = Callable[[str, bytes], None]


def descriptor(socket: "zmq.Socket[bytes]") -> int:
    """Readable when something may have happened on the socket (edge-triggered)."""
    return int(socket.getsockopt(zmq.FD))


class ListeningPublisher(Publisher):
    """A publisher that also hears which topics somebody listens to (XPUB)."""

    kind = zmq.XPUB

    def __init__(self, home: Home, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        super().__init__(home, context)
        self._on_subscription: Callable[[str, bool], None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def send(self, topic: str, payload: bytes) -> None:
        super().send(topic, payload)
        # A send takes the edge of the socket's descriptor with it, so look again.
        if self._loop is not None and self._heard():
            self._loop.call_soon_threadsafe(self._drain)

    def _heard(self) -> bool:
        with self._lock:
            return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    def listen(self, on_subscription: Callable[[str, bool], None]) -> None:
        """Calls `on_subscription(prefix, begins)` in the running loop for each first and last listener."""
        self._on_subscription = on_subscription
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(descriptor(self._socket), self._drain)
        self._loop.call_soon(self._drain)

    def _drain(self) -> None:
        while self._on_subscription is not None:
            with self._lock:
                try:
                    frame = self._socket.recv(zmq.DONTWAIT)
                except zmq.ZMQError:
                    return
            if frame[:1] in (b"\x00", b"\x01"):
                self._on_subscription(frame[1:].decode("ascii", "replace"), frame[0] == 1)

    def close(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.remove_reader(descriptor(self._socket))
        self._on_subscription = None
        super().close()


class Subscriber:
    """Receives in the running loop and hands each message to the handlers of its prefix."""

    def __init__(self, home: Home, context: "zmq.Context[zmq.Socket[bytes]]") -> None:
        self._socket = connected(context, zmq.SUB, home, endpoints(home)[1])
        self._handlers: list[tuple[str, Handler]] = []
        self._loop = asyncio.get_running_loop()
        self._descriptor = descriptor(self._socket)
        self._loop.add_reader(self._descriptor, self._drain)
        self._closed = False
        self._pace_s = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.received = 0
        self.rejected = 0
        self.on_rejected: Callable[[str, Exception], None] = lambda topic, error: None
        self.on_drained: Callable[[], None] = lambda: None
        """Called when all that had come is handed on."""

    def subscribe(self, prefixes: Sequence[str], handler: Handler) -> None:
        for prefix in prefixes:
            self._handlers.append((prefix, handler))
            self._socket.subscribe(prefix.encode("ascii"))
        self._loop.call_soon(self._drain)

    def unsubscribe(self, prefixes: Sequence[str], handler: Handler) -> None:
        for prefix in prefixes:
            self._handlers.remove((prefix, handler))
            self._socket.unsubscribe(prefix.encode("ascii"))
        self._loop.call_soon(self._drain)

    def pace(self, every_s: float) -> None:
        """Looks for messages only so often; 0, as at the start: each as it comes.

        For times when nobody waits for what a service hears: a wake-up costs more than the message it brings.
        """
        if every_s == self._pace_s or self._closed:
            return
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if every_s and not self._pace_s:
            self._loop.remove_reader(self._descriptor)
        elif not every_s:
            self._loop.add_reader(self._descriptor, self._drain)
        self._pace_s = every_s
        self.look()

    def look(self) -> None:
        """Hands on what has come up to now."""
        self._drain()
        if self._pace_s and self._timer is None and not self._closed:
            wait_s = until_beat_s(monotonic_s() - _HEARD_AFTER_S, self._pace_s)
            self._timer = self._loop.call_later(wait_s, self._look_again)

    def _look_again(self) -> None:
        self._timer = None
        self.look()

    def _drain(self) -> None:
        for _ in range(_DRAIN_AT_ONCE):
            if self._closed:
                return
            try:
                frames = self._socket.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                self.on_drained()
                return
            self.received += 1
            self._deliver(frames)
        self._loop.call_soon(self._drain)

    def _deliver(self, frames: list[bytes]) -> None:
        if len(frames) != 2:
            self._reject("?", ValueError(f"a message of {len(frames)} frames"))
            return
        try:
            topic = frames[0].decode("ascii")
        except UnicodeDecodeError as error:
            self._reject("?", error)
            return
        for prefix, handler in self._handlers:
            if topic.startswith(prefix):
                try:
                    handler(topic, frames[1])
                except Exception as error:  # a bad message must not stop the reader
                    self._reject(topic, error)

    def _reject(self, topic: str, error: Exception) -> None:
        self.rejected += 1
        self.on_rejected(topic, error)

    def close(self) -> None:
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        if not self._loop.is_closed():
            self._loop.remove_reader(self._descriptor)
        self._socket.close(linger=0)
