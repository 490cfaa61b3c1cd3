"""When the next live frame may leave. Pure: times are seconds of one monotonic clock.

Rows leave 60 times a second at most. Tokens are drawn at once (DESIGN §5.6), so they do not wait for the turn of the
rows: what they keep is a distance of their own, and a frame of theirs takes along the rows that wait.
"""

FRAME_S = 1 / 60
# The tap gathers for 16 ms, by a clock of its own: at our 16.7 each of its bursts would wait for up to a frame more.
TOKENS_S = 0.012
# A tick of the producers may be a handful of messages within about a millisecond: they leave as one frame.
LINGER_S = 0.0015


class FramePace:
    """Knows when frames left, and says when the next one is due."""

    def __init__(self) -> None:
        self._sent_s = self._tokens_s = float("-inf")

    def due_s(self, now_s: float, *, tokens: bool = False, whole: bool = False) -> float:
        """When a frame leaves that news of `now_s` asks for: LINGER_S later, or at once where the tick is `whole`."""
        turn_s = self._tokens_s + TOKENS_S if tokens else self._sent_s + FRAME_S
        return max(now_s if whole else now_s + LINGER_S, turn_s)

    def left(self, now_s: float, *, tokens: bool) -> None:
        """A frame left, with or without tokens in it."""
        self._sent_s = now_s
        if tokens:
            self._tokens_s = now_s
