"""How closely the aggregator listens: to each row while somebody is shown them, otherwise once a second.

A wake-up, and caches that have gone cold since the last one, cost more than the message they bring. A question takes
what has come, and what producers hold, before it is answered.
"""

import asyncio
import contextlib
from collections.abc import Callable

from bus import topics
from bus.listening import Subscriber

IDLE_LOOK_S = 1.0
# Who asked once may ask again: rows go on coming on their tick for so long.
STAYS_S = 2.0
# Producers hand over what they hold within about 3 ms; where none is there to do so, a question waits so long in vain.
HAND_OVER_S = 0.25


class Attention:
    """`listening()`: whether anybody is shown rows or windows at present."""

    def __init__(self, subscriber: Subscriber, listening: Callable[[], bool]) -> None:
        self._subscriber = subscriber
        self._listening = listening
        self._loop = asyncio.get_running_loop()
        self._prompt = False
        self._handed_over = asyncio.Event()
        self._asked: asyncio.TimerHandle | None = None

    def attend(self) -> None:
        """Somebody began or ended to listen, or has not asked for a while."""
        listening = self._listening()
        self._subscriber.pace(0.0 if listening else IDLE_LOOK_S)
        self._ask_for_rows(listening or self._asked is not None)

    async def look(self) -> None:
        """Takes in all rows up to now, for a question."""
        if self._asked is not None:
            self._asked.cancel()
        self._asked = self._loop.call_later(STAYS_S, self._forget)
        self._ask_for_rows(True)
        if not self._handed_over.is_set():
            self._subscriber.pace(0.0)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._handed_over.wait(), HAND_OVER_S)
            self._handed_over.set()
            self.attend()
        self.hear()

    def hear(self) -> int:
        """Takes in what has come: enough for what no producer holds back, as health and events. How many messages."""
        received = self._subscriber.received
        self._subscriber.look()
        return self._subscriber.received - received

    def close(self) -> None:
        """Asks no more."""
        if self._asked is not None:
            self._asked.cancel()

    def _forget(self) -> None:
        self._asked = None
        self.attend()

    def _ask_for_rows(self, prompt: bool) -> None:
        if prompt == self._prompt:
            return
        self._prompt = prompt
        if prompt:
            self._handed_over.clear()
            self._subscriber.subscribe([topics.PROMPT], self._on_handed_over)
        else:
            self._subscriber.unsubscribe([topics.PROMPT], self._on_handed_over)

    def _on_handed_over(self, _topic: str, _payload: bytes) -> None:
        self._handed_over.set()
