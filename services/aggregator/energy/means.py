"""The mean of E(t) over one generation (CONTRACTS §6, RequestRecord: energy mean)."""

from collections import OrderedDict
from dataclasses import dataclass

# Generations remembered, those under way among them; one is 200 bytes.
REMEMBERED = 1024


@dataclass(slots=True)
class _Span:
    first_s: float
    first_integral_s: float
    last_s: float
    last_integral_s: float
    energy: float

    @property
    def mean(self) -> float:
        lasted_s = self.last_s - self.first_s
        if lasted_s <= 0.0:
            return self.energy
        return min(max((self.last_integral_s - self.first_integral_s) / lasted_s, 0.0), 1.0)


class EnergyMeans:
    """Of each generation what its mean needs, and no more: O(1) a token, whatever its length."""

    def __init__(self, most: int = REMEMBERED) -> None:
        self._most = most
        self._spans: OrderedDict[str, _Span] = OrderedDict()

    def token(self, request: str, now_s: float, integral_s: float, energy: float) -> None:
        """A token of a request; `integral_s` is ∫ E dt of its model up to now, `energy` E after the token."""
        span = self._spans.get(request)
        if span is None:
            self._spans[request] = _Span(now_s, integral_s, now_s, integral_s, energy)
            if len(self._spans) > self._most:
                self._spans.popitem(last=False)
            return
        self._spans.move_to_end(request)
        span.last_s, span.last_integral_s, span.energy = now_s, integral_s, energy

    def mean(self, request: str) -> float | None:
        """Mean of E(t) of its model from the request's first token to its newest, in [0, 1], without unit.

        Of one token: E after it. None: no token of this request was heard, or it is long ago (REMEMBERED).
        """
        span = self._spans.get(request)
        return None if span is None else span.mean
