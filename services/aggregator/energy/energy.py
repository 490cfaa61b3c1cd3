"""E(t) of one model, token by token (CONTRACTS §2).

    >>> energy = Energy(STANDARD)
    >>> for token in range(400):  # 10 tokens a second, for 40 s
    ...     energy.token(token * 0.1, certainty=0.8)
    >>> round(energy.at(39.9), 3)  # 0.5 · 10/20 + 0.3 · 0.8 + 0.2 · 1
    0.69

It has no tick, and asking moves nothing: E is exact at any time that is asked for, so it cannot depend on how often
that happens, nor on tokens being told after it was asked for a time later than theirs.
"""

import math
from bisect import bisect_right
from collections import deque

from services.aggregator.energy.profile import Profile

TPS_WINDOW_S = 1.0
HALF_LIFE_S = 0.7
# Times come in µs: what lies exactly a window back is out of it, and a gap of exactly the stall time is no stall,
# whatever seconds in floating point make of it.
_HALF_A_US = 5e-7


def clamp(value: float) -> float:
    return min(max(value, 0.0), 1.0)


def base(profile: Profile, tps: float, gap_ms: float, certainty: float | None) -> float:
    """What one token is worth, in [0, 1]: 0.5 v + 0.3 c + 0.2 f, without certainty 0.7 v + 0.3 f."""
    velocity = clamp(tps / profile.tps_max)
    friction = 1.0 - clamp((gap_ms - profile.stall_ms) / (profile.ceil_ms - profile.stall_ms))
    if certainty is None:
        return 0.7 * velocity + 0.3 * friction
    return 0.5 * velocity + 0.3 * clamp(certainty) + 0.2 * friction


def decayed(energy: float, holds_until_s: float, now_s: float) -> float:
    """E at a time, of what it was after the token before: it holds until a time, then halves each 700 ms."""
    return energy * math.exp2(-max(now_s - holds_until_s, 0.0) / HALF_LIFE_S)


class Energy:
    """E(t) in [0, 1]. Holds until the stall time has passed since the last token, then halves each 700 ms."""

    def __init__(self, profile: Profile) -> None:
        self.profile = profile
        """May be set at any time; what was is not measured again, the next token is the first by the new one."""
        self._after_token = 0.0
        self._last_s: float | None = None
        self._decays_s = 0.0
        self._arrivals: deque[float] = deque()

    def token(self, now_s: float, certainty: float | None = None) -> None:
        """One output token arrived. `now_s` is monotonic and may not go back; `certainty` in [0, 1], None: absent."""
        while self._arrivals and self._arrivals[0] <= now_s - TPS_WINDOW_S + _HALF_A_US:
            self._arrivals.popleft()
        self._arrivals.append(now_s)
        gap_ms = math.inf if self._last_s is None else 1000.0 * (now_s - self._last_s)
        # Nothing preceded the first token of all, so nothing stalled.
        friction_gap_ms = 0.0 if self._last_s is None else gap_ms
        worth = base(self.profile, self.tps(now_s), friction_gap_ms, certainty)
        alpha = self.profile.alpha
        self._after_token = alpha * worth + (1.0 - alpha) * self.at(now_s)
        self._last_s = now_s
        self._decays_s = now_s + self.profile.stall_ms / 1000.0

    def at(self, now_s: float) -> float:
        """E at a time not before the last token."""
        if self._last_s is None:
            return 0.0
        return decayed(self._after_token, self._decays_s, now_s)

    def falls_below_s(self, level: float) -> float:
        """When E will have fallen to `level` (> 0) without a further token; the last token's time where it is lower."""
        if self._last_s is None or self._after_token <= level:
            return -math.inf if self._last_s is None else self._last_s
        return self._decays_s + HALF_LIFE_S * math.log2(self._after_token / level)

    def integral(self, from_s: float, to_s: float) -> float:
        """∫ E dt between two times not before the last token, in seconds at full energy; in closed form."""
        if self._last_s is None:
            return 0.0
        held_s = max(min(to_s, self._decays_s) - from_s, 0.0)
        # ∫ 2^(−t/h) dt = (h / ln 2) · (2^(−a/h) − 2^(−b/h))
        fallen = self.at(max(from_s, self._decays_s)) - self.at(max(to_s, self._decays_s))
        return self._after_token * held_s + HALF_LIFE_S / math.log(2.0) * fallen

    def tps(self, now_s: float) -> float:
        """Tokens in (now − 1 s, now], a second, at a time not before the last token. 0 where none came."""
        gone = bisect_right(self._arrivals, now_s - TPS_WINDOW_S + _HALF_A_US)
        return (len(self._arrivals) - gone) / TPS_WINDOW_S

    def overdue(self, now_s: float) -> bool:
        """Whether the last token is longer ago than the stall time; False before the first."""
        return self._last_s is not None and now_s - self._last_s > self.profile.stall_ms / 1000.0 + _HALF_A_US

    @property
    def holds_until_s(self) -> float:
        """A stall time after the last token."""
        return self._decays_s

    @property
    def last_s(self) -> float | None:
        """When the last token came; None before the first."""
        return self._last_s

    def gap_ms(self, now_s: float) -> float:
        """Since the last token; infinite before the first."""
        return math.inf if self._last_s is None else 1000.0 * (now_s - self._last_s)


def ensemble(energies: list[float]) -> float:
    """E of all models together: equal weights. 0 of none."""
    return sum(energies) / len(energies) if energies else 0.0
