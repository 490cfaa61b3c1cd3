"""The measuring half of the tee: bytes of one answer in, token groups and facts out; no byte of a runtime raises."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from bus.unreadable import UNREADABLE
from services.tap.dialects import Dialect
from services.tap.facts import Facts, TokenGroup
from services.tap.framing import Framing, Message

# Python writes these for numbers that JSON has no words for. Inside a text they do no harm: it is not kept.
_NO_NUMBER = re.compile(rb"(?<=[\s:,\[])-?(?:NaN|Infinity)(?=[\s,}\]])")


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
            except UNREADABLE:
                groups += self._read_again(message, time_s)
            for listener in self.listeners:
                listener(message.data)
        # The tokens of a whole answer have no arrival times, whatever the time of the answer.
        return groups if self._framing.streamed else []

    def _read_again(self, message: Message, time_s: float) -> Sequence[TokenGroup]:
        """Return the tokens of an event that was malformed for its numbers alone: a log-probability of −∞ is one."""
        plain, found = _NO_NUMBER.subn(b"null", message.data)
        try:
            if found:
                return self._dialect.read(message._replace(data=plain), time_s)
        except UNREADABLE:
            pass
        self.malformed += 1
        return ()
