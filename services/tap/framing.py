"""How a runtime packs what it says: server-sent events, one JSON a line, or one JSON for all."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from services.tap.lines import LONGEST_LINE, Lines

# A whole answer is parsed at once; a longer one is passed through and not measured.
LONGEST_WHOLE = 8 << 20


class Message(NamedTuple):
    """One event: its name (SSE), and its JSON."""

    name: bytes
    data: bytes


class Framing(Protocol):
    """Feed bytes, take messages; the same ones however the bytes are cut."""

    streamed: bool

    @property
    def dropped(self) -> int:
        """Messages left out because they were too long."""

    def feed(self, data: bytes) -> list[Message]:
        """Return the messages that `data` completes."""

    def end(self) -> list[Message]:
        """Return what is left at the end of the stream."""


class Events:
    """Server-sent events. Comments, ids and retries are no messages."""

    streamed = True

    def __init__(self) -> None:
        self._lines = Lines()
        self._name = b""
        self._data: list[bytes] = []
        self._held = 0
        self._first = True
        self._dropped = 0

    @property
    def dropped(self) -> int:
        """Events and lines that were too long."""
        return self._dropped + self._lines.dropped

    def feed(self, data: bytes) -> list[Message]:
        """Return the events that `data` completes."""
        return self._take(self._lines.feed(data))

    def end(self) -> list[Message]:
        """Return the last event; runtimes forget its empty line."""
        messages = self._take(self._lines.end())
        return messages + self._dispatch()

    def _take(self, lines: list[bytes]) -> list[Message]:
        messages: list[Message] = []
        for line in lines:
            if self._first:
                self._first = False
                line = line.removeprefix(b"\xef\xbb\xbf")
            if not line:
                if self._data or self._name:
                    messages += self._dispatch()
            elif line.startswith(b"data:"):
                self._add(line[6:] if line.startswith(b"data: ") else line[5:])
            elif line.startswith(b"event:"):
                self._name = line[6:].strip()
            elif line.startswith(b"error:"):  # llama.cpp until mid-2025, in place of data
                self._name = b"error"
                self._add(line[7:] if line.startswith(b"error: ") else line[6:])
        return messages

    def _add(self, data: bytes) -> None:
        self._held += len(data) + 1
        if self._held <= LONGEST_LINE:
            self._data.append(data)
        else:
            self._data.clear()

    def _dispatch(self) -> list[Message]:
        name, data, held = self._name, self._data, self._held
        self._name, self._data, self._held = b"", [], 0
        if held > LONGEST_LINE:
            self._dropped += 1
            return []
        if not data:
            return []
        return [Message(name, data[0] if len(data) == 1 else b"\n".join(data))]


class JsonLines:
    """One JSON object a line (Ollama)."""

    streamed = True

    def __init__(self) -> None:
        self._lines = Lines()

    @property
    def dropped(self) -> int:
        """Lines that were too long."""
        return self._lines.dropped

    def feed(self, data: bytes) -> list[Message]:
        """Return the objects that `data` completes."""
        return [Message(b"", line) for line in self._lines.feed(data) if line.strip()]

    def end(self) -> list[Message]:
        """Return a last line without its end."""
        return [Message(b"", line) for line in self._lines.end() if line.strip()]


class Whole:
    """One JSON object for the whole answer."""

    streamed = False

    def __init__(self) -> None:
        self.dropped = 0
        self._parts: list[bytes] = []
        self._held = 0

    def feed(self, data: bytes) -> list[Message]:
        """Hold `data`, up to the longest answer that is parsed."""
        self._held += len(data)
        if self._held <= LONGEST_WHOLE:
            self._parts.append(data)
        else:
            self._parts.clear()
            self.dropped = 1
        return []

    def end(self) -> list[Message]:
        """Return the answer."""
        data = b"".join(self._parts)
        self._parts.clear()
        return [Message(b"", data)] if data and not self.dropped else []


def framing_of(content_type: str) -> Framing | None:
    """Return how an answer of this Content-Type is packed; None for what is no answer of a model."""
    kind = content_type.partition(";")[0].strip().lower()
    if kind == "text/event-stream":
        return Events()
    if kind in ("application/x-ndjson", "application/ndjson", "application/jsonl"):
        return JsonLines()
    if kind == "application/json":
        return Whole()
    return None
