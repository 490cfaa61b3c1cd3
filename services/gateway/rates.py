"""How often one caller may ask: token buckets, time as an argument."""

from collections import OrderedDict
from dataclasses import dataclass

# Callers are few (sessions, the API token, "nobody"); the bound keeps a guesser of tokens from growing the table.
_MAX_CALLERS = 256


@dataclass(slots=True)
class _Level:
    tokens: float
    at_s: float


class Bucket:
    """`rate_s` calls a second each caller, `burst` at once.

    >>> bucket = Bucket(rate_s=1, burst=2)
    >>> [bucket.take("a", now_s=0.0), bucket.take("a", now_s=0.0), bucket.take("a", now_s=0.0)]
    [0.0, 0.0, 1.0]
    """

    def __init__(self, rate_s: float, burst: float) -> None:
        self._rate_s = rate_s
        self._burst = burst
        self._levels: OrderedDict[str, _Level] = OrderedDict()

    def take(self, caller: str, now_s: float, cost: float = 1.0) -> float:
        """0.0 when the call may pass, else the seconds until it may."""
        level = self._levels.get(caller)
        if level is None:
            level = self._levels[caller] = _Level(self._burst, now_s)
            if len(self._levels) > _MAX_CALLERS:
                self._levels.popitem(last=False)
        self._levels.move_to_end(caller)
        level.tokens = min(self._burst, level.tokens + (now_s - level.at_s) * self._rate_s)
        level.at_s = now_s
        if level.tokens >= cost:
            level.tokens -= cost
            return 0.0
        return (cost - level.tokens) / self._rate_s
