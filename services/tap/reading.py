"""The measuring half of the tee: bytes of one answer in, token groups and facts out; no byte of a runtime raises."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from services.tap.dialects import Dialect
from services.tap.facts import Facts, TokenGroup
from services.tap.framing import Framing, Message


class Reading:
    """Framing and dialect of one answer."""

    def __init__(self, framing: Framing, dialect: Dialect) -> None:
        self.malformed = 0
        """Events that were not what the dialect says."""
        self.listeners: list[Callable[[bytes], None]] = []
        """Each hears each event as it came, after it was measured."""
        self._framing = framing
        self._dialect = dialect

    @property
    def facts(self) -> Facts:
        """What was learned so far."""
        return self._dialect.facts

    @property
    def streamed(self) -> bool:
        """Whether the answer comes in events; the tokens of a whole one have no arrival times."""
        return self._framing.streamed

    @property
    def left_out(self) -> int:
        """Events that could not be measured: malformed or too long."""
        return self.malformed + self._framing.dropped

    def feed(self, data: bytes, time_s: float) -> list[TokenGroup]:
        """Return the token groups that `data`, arrived at `time_s`, completes."""
        messages = self._framing.feed(data)
        return self._read(messages, time_s) if messages else []

    def end(self, time_s: float) -> list[TokenGroup]:
        """Return what is left when the answer ended."""
        return self._read(self._framing.end(), time_s)

    def _read(self, messages: list[Message], time_s: float) -> list[TokenGroup]:
        groups: list[TokenGroup] = []
        for message in messages:
            try:
                groups += self._dialect.read(message, time_s)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                self.malformed += 1
            for listener in self.listeners:
                listener(message.data)
        # The tokens of a whole answer have no arrival times, whatever the time of the answer.
        return groups if self._framing.streamed else []
