"""Rows that wait for the beat while nobody asks to have them sooner.

They are in the ring file already, so nothing is lost with them; and ten messages a second, each on its tick, wake the
sender, the forwarder and the reader ten times each, where together they wake them once.
"""

import threading

from bus import topics
from bus.samples import Send

_MAY_WAIT = (topics.SAMPLES, topics.PROCESSES)
# A beat that is late may not run into ZeroMQ's high-water mark (bus/transport.py: 1000 messages).
MOST_HELD = 250


class Outbox:
    """Sends on in the order given. Safe to call from any thread.

    A subscription of `topics.PROMPT` ends the waiting for as long as it lasts; a message on that topic then says that
    nothing is held any more.
    """

    def __init__(self, send: Send) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._held: list[tuple[str, bytes]] = []
        self._prompt = False

    def __len__(self) -> int:
        """Messages that wait."""
        return len(self._held)

    def send(self, topic: str, payload: bytes) -> None:
        """Rows wait, everything else goes at once, and takes with it what came before it."""
        with self._lock:
            if self._prompt or len(self._held) >= MOST_HELD or not topic.startswith(_MAY_WAIT):
                self._let_go()
                self._send(topic, payload)
            else:
                self._held.append((topic, payload))

    def flush(self) -> None:
        """Sends what waits."""
        with self._lock:
            self._let_go()

    def on_subscription(self, prefix: str, begins: bool) -> None:
        """Somebody begins or ends to listen; `bus.listening.ListeningPublisher` says so."""
        if prefix != topics.PROMPT:
            return
        with self._lock:
            self._prompt = begins
            if begins:
                self._let_go()
                self._send(topics.PROMPT, b"")

    def _let_go(self) -> None:
        held, self._held = self._held, []
        for topic, payload in held:
            self._send(topic, payload)
