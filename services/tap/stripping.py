"""Takes out of a stream what the tap asked for and the client did not: what is left is the plain answer, to the byte.

Pure. Events that cannot be read, or are too long to be held, pass as they are.
"""

from __future__ import annotations

import re

from msgspec import Raw

from bus.unreadable import UNREADABLE
from services.tap.asking import Extra
from services.tap.dialects.dialect import present
from services.tap.lines import LONGEST_LINE
from services.tap.plain import Chunk, Form, Part, Shape, read_chunk

_EVENT_END = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINE_END = re.compile(rb"\n")
# An end may be cut after all but its last byte.
_LONGEST_END = 4
# A quote that opens a key is never preceded by a backslash, and one inside a text always is.
_KEYS = {name: re.compile(rb'(?<!\\)"' + name.encode() + rb'"\s*:\s*') for name in ("usage", "logprobs", "timings")}
_BLANK = b" \t\r\n"


class Stripper:
    """Feed the runtime's bytes, pass on what comes out; `end` gives what was held."""

    def __init__(self, form: Form, extra: Extra, shape: Shape) -> None:
        self.left_in = 0
        """Events that passed with what nobody asked for, because they could not be read."""
        self._form = form
        self._extra = extra
        self._shape = shape
        self._end_mark = _LINE_END if form is Form.OLLAMA else _EVENT_END
        self._waiting = bytearray()
        self._looked = 0
        self._overlong = False
        self._held = b""
        """The chunk that finishes: the runtime's timings may come behind it, and belong into it."""

    def feed(self, data: bytes) -> bytes:
        """Return what may go to the client now."""
        out: list[bytes] = []
        waiting = self._waiting
        waiting += data
        start = 0
        for found in self._end_mark.finditer(waiting, max(0, self._looked - _LONGEST_END)):
            event = bytes(waiting[start : found.end()])
            start = found.end()
            if self._overlong:
                self._overlong = False
                out.append(event)
            else:
                out.append(self._safely(event))
        del waiting[:start]
        self._looked = len(waiting)
        if self._overlong or len(waiting) > LONGEST_LINE:
            self.left_in += not self._overlong
            self._overlong = True
            out.append(self._release())
            # The last bytes may be the beginning of the event's end.
            out.append(bytes(waiting[:-_LONGEST_END]))
            del waiting[:-_LONGEST_END]
            self._looked = 0
        return b"".join(out)

    def end(self) -> bytes:
        """Return what is left at the end of the stream; runtimes forget the last line's end."""
        rest = bytes(self._waiting)
        self._waiting.clear()
        if not rest:
            return self._release()
        return (rest if self._overlong else self._safely(rest)) + self._release()

    def _safely(self, event: bytes) -> bytes:
        """Return what goes to the client for an event; where taking out fails, the event itself."""
        try:
            return self._event(event)
        except Exception:
            self.left_in += 1
            return self._release() + event

    def _release(self) -> bytes:
        held, self._held = self._held, b""
        return held

    def _event(self, event: bytes) -> bytes:
        """Return an event as the client would have got it, after what was held for it."""
        text = self._text_of(event)
        if not text:
            return self._release() + event
        try:
            chunk = read_chunk(self._form, text)
        except UNREADABLE:
            self.left_in += 1
            return self._release() + event
        if self._drops(chunk):
            if present(chunk.timings) and Part.FINISH in self._shape.timings and self._held:
                self._held = _with_member(self._held, text, chunk.timings)
            return self._release()
        plain = self._plain(event, chunk)
        held = self._release()  # after what can fail
        if self._extra.usage and chunk.part is Part.FINISH and self._form is Form.OPENAI:
            self._held = plain
            return held
        return held + plain

    def _text_of(self, event: bytes) -> bytes:
        """Return the JSON of an event; empty for what has none, or is told in several lines."""
        line = event.strip(_BLANK)
        if self._form is Form.OLLAMA:
            return line
        if not line.startswith(b"data:") or b"\n" in line or b"\r" in line:
            return b""
        text = line[5:].lstrip(b" ")
        return b"" if text == b"[DONE]" else text

    def _drops(self, chunk: Chunk) -> bool:
        """Whether a chunk came only because it was asked for."""
        if self._form is Form.OPENAI:
            return self._extra.usage and not chunk.choices and present(chunk.usage)
        # Ollama sends a line without a word where it holds the word back and has its log-probabilities.
        return self._extra.logprobs and chunk.part is Part.OTHER and present(chunk.logprobs[0])

    def _plain(self, event: bytes, chunk: Chunk) -> bytes:
        if self._extra.usage and bytes(chunk.usage) and not self._shape.has_usage(chunk.part):
            event = _without(event, "usage", [chunk.usage])
        found = [one for one in chunk.logprobs if bytes(one)]
        if self._extra.logprobs and found:
            if not self._shape.has_logprobs(chunk.part):
                event = _without(event, "logprobs", found)
            elif any(present(one) for one in found):
                event = _without(event, "logprobs", found, b"null")
        return event


def _without(event: bytes, name: str, values: list[Raw], instead: bytes | None = None) -> bytes:
    """Return an event without its members `name`, or with `instead` in place of their values; each is a `values`."""
    places: list[tuple[int, int, int]] = []
    for value in values:
        found = next(
            (
                match
                for match in _KEYS[name].finditer(event, places[-1][2] if places else 0)
                if event.startswith(bytes(value), match.end())
            ),
            None,
        )
        if found is None:
            raise AssertionError(f"a member {name} that was read is in the text")
        places.append((found.start(), found.end(), found.end() + len(bytes(value))))
    for key, start, end in reversed(places):
        if instead is not None:
            event = event[:start] + instead + event[end:]
            continue
        before = event[:key].rstrip(_BLANK)
        if before.endswith(b","):
            event = before[:-1] + event[end:]
        else:  # the first of its object: the comma behind it goes
            after = event[end:].lstrip(_BLANK)
            event = event[:key] + (after[1:].lstrip(_BLANK) if after.startswith(b",") else after)
    return event


def _with_member(event: bytes, text: bytes, value: Raw) -> bytes:
    """Return an event with `text`'s member of timings put at its end, in the spelling it has there."""
    match = next(one for one in _KEYS["timings"].finditer(text) if text.startswith(bytes(value), one.end()))
    comma = text.rfind(b",", 0, match.start())
    member = text[comma if comma >= 0 else match.start() : match.end() + len(bytes(value))]
    close = event.rindex(b"}")
    return event[:close] + member + event[close:]
