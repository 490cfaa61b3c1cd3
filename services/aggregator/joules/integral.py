"""Power integrated over time by the trapezoid, cut at the seconds of the boot clock (CONTRACTS §1, "Joules")."""

from typing import NamedTuple

SECOND_US = 1_000_000


class Piece(NamedTuple):
    """What one device took in one second."""

    joules: float = 0.0
    covered_s: float = 0.0
    """How much of the second was measured; what lies in a gap is not, and nothing is put there."""

    @property
    def watts(self) -> float:
        """Mean power over what was measured; NaN where nothing was."""
        return self.joules / self.covered_s if self.covered_s > 0 else float("nan")


class Integral:
    """One device. Samples come in the order of time; `close` gives each second away once."""

    def __init__(self) -> None:
        self._last: tuple[int, float] | None = None
        self._pieces: dict[int, Piece] = {}

    def add(self, time_us: int, watts: float, bridge_us: int) -> None:
        """Take a sample; NaN is none. A gap longer than `bridge_us` to the sample before is left out."""
        if watts != watts:
            return
        before, self._last = self._last, (time_us, watts)
        if before is None or not 0 < time_us - before[0] <= bridge_us:
            return
        slope = (watts - before[1]) / (time_us - before[0])
        at_us, at_w = before
        while at_us < time_us:
            second = at_us // SECOND_US
            to_us = min((second + 1) * SECOND_US, time_us)
            to_w = watts if to_us == time_us else before[1] + slope * (to_us - before[0])
            span_s = (to_us - at_us) / SECOND_US
            held = self._pieces.get(second, Piece())
            self._pieces[second] = Piece(held.joules + (at_w + to_w) / 2.0 * span_s, held.covered_s + span_s)
            at_us, at_w = to_us, to_w

    def close(self, second: int) -> Piece:
        """Return what the second holds, and forget it and all before it."""
        piece = self._pieces.pop(second, Piece())
        for older in [one for one in self._pieces if one < second]:
            del self._pieces[older]
        return piece
