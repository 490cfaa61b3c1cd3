"""Lines of a byte stream, however it is cut: CR, LF and CRLF end one, nothing else does.

`bytes.splitlines` splits on exactly these; `str.splitlines` would also split inside a JSON string at U+2028.
"""

from __future__ import annotations

# An event beyond this is no token. A runtime that never ends its line may not fill our memory with it.
LONGEST_LINE = 1 << 20


class Lines:
    """Feed bytes, take whole lines without their ends."""

    def __init__(self, longest: int = LONGEST_LINE) -> None:
        self.dropped = 0
        """Lines that were too long and are left out."""
        self._longest = longest
        self._parts: list[bytes] = []
        self._held = 0
        self._after_cr = False
        self._overlong = False

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes; the rest is held, up to the longest line."""
        if not data:
            return []
        if self._after_cr and data[0] == 0x0A:
            data = data[1:]
            if not data:
                self._after_cr = False
                return []
        last = data[-1]
        self._after_cr = last == 0x0D
        lines = data.splitlines()
        rest = None if last in (0x0A, 0x0D) else lines.pop()
        if lines:
            if self._held or self._overlong:
                lines[0] = b"".join((*self._parts, lines[0]))
                self._forget()
                if self._overlong:
                    self._overlong = False
                    del lines[0]
            if any(len(line) > self._longest for line in lines):
                kept = [line for line in lines if len(line) <= self._longest]
                self.dropped += len(lines) - len(kept)
                lines = kept
        if rest:
            self._hold(rest)
        return lines

    def end(self) -> list[bytes]:
        """Return the last line, where the stream ended without ending it."""
        line = b"".join(self._parts)
        self._forget()
        overlong, self._overlong = self._overlong, False
        return [line] if line and not overlong else []

    def _hold(self, rest: bytes) -> None:
        if self._overlong:
            return
        self._parts.append(rest)
        self._held += len(rest)
        if self._held > self._longest:
            self._forget()
            self._overlong = True
            self.dropped += 1
        elif len(self._parts) > 64:  # a line that trickles in byte by byte
            self._parts = [b"".join(self._parts)]

    def _forget(self) -> None:
        self._parts.clear()
        self._held = 0
