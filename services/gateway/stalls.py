"""A client whose socket takes nothing for minutes is stopped or gone: it is cut, and comes back when it lives."""

import asyncio

# A minute of a busy browser is not long; a hidden page still reads.
STALLED_FOR_S = 180.0


class StallWatch:
    """Looks once a second at what a socket has not taken yet."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._since_s: float | None = None

    @property
    def busy(self) -> bool:
        """The socket still holds something; more would only wait in it, and grow old."""
        return self._transport.get_write_buffer_size() > 0

    def tick(self, now_s: float) -> None:
        """Cuts the connection when the socket was busy for three minutes."""
        if not self.busy:
            self._since_s = None
        elif self._since_s is None:
            self._since_s = now_s
        elif now_s - self._since_s > STALLED_FOR_S:
            self.cut()

    def cut(self) -> None:
        """Ends the connection without waiting for the other side."""
        self._transport.abort()
