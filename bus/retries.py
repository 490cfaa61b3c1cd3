"""When to ask again what did not answer as hoped: after 30 s, 1 min … 10 min. Pure: the time comes in."""

_FIRST_S, _LONGEST_S = 30.0, 600.0


class Retries:
    """Of what a number names, as a port."""

    def __init__(self) -> None:
        self._next: dict[int, tuple[float, float]] = {}
        """When it may be asked again, and the pause after that, s."""

    def due(self, of: int, now_s: float) -> bool:
        """Whether it may be asked now; at once where it never failed."""
        return now_s >= self._next.get(of, (0.0, 0.0))[0]

    def failed(self, of: int, now_s: float) -> None:
        """It was asked in vain: the pause doubles."""
        pause_s = self._next.get(of, (0.0, _FIRST_S))[1]
        self._next[of] = now_s + pause_s, min(2.0 * pause_s, _LONGEST_S)

    def forget(self, of: int) -> None:
        """It is to be asked at once, and its next failure is the first."""
        self._next.pop(of, None)

    def clear(self) -> None:
        """As `forget`, of all."""
        self._next.clear()
