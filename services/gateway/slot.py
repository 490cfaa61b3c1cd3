"""What waits for one client: frames as they came, shared between clients, bounded; the newest win.

Nothing is decoded while a client lags. Two seconds of frames wait; of a client that stalls longer the
oldest leave, and since a hole may hide a change of columns, what it gets next begins with a key frame.
"""

from collections import deque

from services.gateway.live_wire import Head, merge

# Two seconds at 60 Hz. The frames themselves are shared by all clients, so a stalled one adds little.
MAX_WAITING_FRAMES = 120
MAX_WAITING_BYTES = 1 << 20
# The page acknowledges each 15 frames; three missed ones, and it gets no more until it is there again.
MAX_UNACKNOWLEDGED = 45


class Slot:
    """One client's place in the stream, without a socket inside.

    After a hole, what waits is empty or begins with a key frame.
    """

    def __init__(self) -> None:
        self._waiting: deque[tuple[Head, bytes]] = deque()
        self._bytes = 0
        self._hole = True
        self._begun = False  # it has had its first frame: from now on what it misses is counted
        self._lost = 0  # frames that left unseen since the last one taken
        self._sent = 0
        self._acknowledged: int | None = None
        self._in_flight = 0
        self.conflated_total = 0

    @property
    def needs_key(self) -> bool:
        """It can show nothing until a key frame comes."""
        return self._hole and not self._waiting

    @property
    def waits_for_acknowledgement(self) -> bool:
        """It acknowledges, and is further behind than it may be."""
        return self._acknowledged is not None and self._in_flight >= MAX_UNACKNOWLEDGED

    def offer(self, head: Head, frame: bytes) -> None:
        """A frame for this client; may push out the oldest that wait."""
        if self.needs_key and not head.key:
            self._count_lost()
            return
        self._waiting.append((head, frame))
        self._bytes += len(frame)
        if len(self._waiting) > MAX_WAITING_FRAMES or self._bytes > MAX_WAITING_BYTES:
            self._drop()
            while self._waiting and not self._waiting[0][0].key:
                self._drop()

    def hole(self) -> None:
        """What waits no longer fits what comes (the aggregator began anew): go on with a key frame."""
        while self._waiting:
            self._drop()
        self._hole = True

    def acknowledge(self, seq: int) -> None:
        """The client has handled everything up to `seq`."""
        self._acknowledged = seq
        self._in_flight = max(0, min(self._in_flight, self._sent - seq))

    def take(self, few: int = 0) -> bytes | None:
        """What to send now: one frame as it came, or those that wait merged into one; None: nothing.

        Up to `few` waiting frames leave one by one: a burst after a late turn of the loop is no lag, and decoding
        them would cost more than sending them.
        """
        if not self._waiting:
            return None
        if not self._lost and len(self._waiting) <= max(few, 1):
            head, content = self._waiting.popleft()
            self._bytes -= len(content)
        else:
            head = self._waiting[-1][0]
            merged = merge([frame for _, frame in self._waiting])
            merged.conflated += self._lost
            content = merged.SerializeToString()
            self.conflated_total += len(self._waiting) - 1
            self._waiting.clear()
            self._bytes = self._lost = 0
        self._sent = head.seq
        self._hole = False
        self._begun = True
        self._in_flight += 1
        return content

    def _drop(self) -> None:
        _, frame = self._waiting.popleft()
        self._bytes -= len(frame)
        self._hole = True
        self._count_lost()

    def _count_lost(self) -> None:
        if self._begun:
            self._lost += 1
            self.conflated_total += 1
