"""The newest tokens of one model, and what it was from each of them on: for who asks what it was a moment ago."""

import math
from bisect import bisect_right
from collections import deque
from typing import NamedTuple

import numpy as np

from services.aggregator.energy.energy import decayed
from services.aggregator.energy.pair import WINDOW_S
from services.aggregator.energy.profile import LONGEST_STALL_S
from services.aggregator.energy.rates import RATE_OVER_S, Floats

# Tokens are heard so late at most, but for those that a program keeps while nobody takes them: the tap waits for a
# frame, the SDK for a frame and an answer. What cannot be taken back is told so much later.
LATE_S = 1.0
# A window up to the newest token of the slower of two, which may be late, and a stall and some ticks behind.
KEPT_S = WINDOW_S + RATE_OVER_S + LATE_S + LONGEST_STALL_S + 1.5


class Then(NamedTuple):
    """A model from one token on, until the next. Times in seconds."""

    at_s: float
    energy: float
    """E right after it."""
    holds_until_s: float
    """A stall time later: so long the model flows, and E holds."""
    since_s: float
    """When the first token came since the model last was silent: no answer under way for longer than a stall time."""

    def energy_at(self, now_s: float) -> float:
        return decayed(self.energy, self.holds_until_s, now_s)


class Trace:
    """Of a model's newest KEPT_S. O(1) a token."""

    def __init__(self) -> None:
        self._at_s: deque[float] = deque()
        self._tokens: deque[Then] = deque()
        self._arrivals: Floats | None = None

    def add(self, token: Then) -> None:
        """A token, not before the one in front of it."""
        self._at_s.append(token.at_s)
        self._tokens.append(token)
        while self._at_s[0] < token.at_s - KEPT_S:
            self._at_s.popleft()
            self._tokens.popleft()
        self._arrivals = None

    @property
    def oldest_s(self) -> float:
        """inf of none."""
        return self._at_s[0] if self._at_s else math.inf

    @property
    def newest_s(self) -> float:
        """−inf of none."""
        return self._at_s[-1] if self._at_s else -math.inf

    @property
    def arrivals_s(self) -> Floats:
        """Ascending."""
        if self._arrivals is None:
            self._arrivals = np.array(self._at_s)
        return self._arrivals

    def at(self, now_s: float) -> Then | None:
        """By the newest token that had come at a time; None where none had, or it is no longer known."""
        after = bisect_right(self._at_s, now_s)
        return self._tokens[after - 1] if after else None
