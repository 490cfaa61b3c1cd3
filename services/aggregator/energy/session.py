"""The state machine of a model's session (CONTRACTS §2).

IDLE ── prompt ──► CHARGING ── first token ──► FLOWING ◄──► STALLING
                      │ no token for long        │  ▲
                      ▼                          ▼  │
                     IDLE                     SATURATED
                      ▲                          │
                      └────── a while ── DRAINED ◄── end (from any)
"""

from dataclasses import dataclass
from enum import IntEnum

from services.aggregator.energy.energy import Energy
from services.aggregator.energy.profile import Profile

SATURATED_AT, SATURATED_BELOW = 0.85, 0.7
SATURATED_AFTER_S = 0.8
STALL_TOKENS = 2
# A prompt that is never answered, an answer that never ends (its proxy was killed): the longest prefill seen on a
# laptop is some minutes.
CHARGING_TIMEOUT_S = 600.0
DRAINED_FOR_S = 2.0


class State(IntEnum):
    """The values of the metric model.state."""

    IDLE = 0
    CHARGING = 1
    FLOWING = 2
    STALLING = 3
    SATURATED = 4
    DRAINED = 5


_ANSWERING = (State.FLOWING, State.STALLING, State.SATURATED)


@dataclass(slots=True)
class Counts:
    """What only grows."""

    tokens: int = 0
    stalls: int = 0
    bursts: int = 0
    lifetime_energy_s: float = 0.0
    """∫ E dt, in seconds at full energy."""


class Session:
    """One model: its energy, where it stands, and what it has counted. Times are monotonic and do not go back."""

    def __init__(self, profile: Profile) -> None:
        self.energy = Energy(profile)
        self.counts = Counts()
        self._state = State.IDLE
        self._since_s = 0.0
        self._now_s: float | None = None
        self._slow_tokens = 0
        self._high_since_s: float | None = None
        self._stalled = False
        self._bursting = False
        self._running: set[str] = set()

    @property
    def profile(self) -> Profile:
        return self.energy.profile

    def measure_against(self, profile: Profile, now_s: float) -> None:
        """Another profile from now on; E does not jump, since tokens that came stay measured as they were."""
        self.advance(now_s)
        self.energy.profile = profile

    @property
    def running(self) -> int:
        """Requests under way."""
        return len(self._running)

    def prompt(self, request: str, now_s: float) -> None:
        """A prompt was sent."""
        self.advance(now_s)
        self._running.add(request)
        if self._state in (State.IDLE, State.DRAINED):
            self._enter(State.CHARGING, now_s)

    def token(self, request: str, now_s: float, certainty: float | None = None) -> None:
        """One output token."""
        self.advance(now_s)
        self._running.add(request)
        overdue = self.energy.overdue(now_s)
        first = self._state in (State.IDLE, State.CHARGING, State.DRAINED)
        if self.energy.at(now_s) < SATURATED_AT:
            self._high_since_s = None
        self.energy.token(now_s, certainty)
        self.counts.tokens += 1
        self._stalled = False
        slow = overdue and not first
        self._slow_tokens = self._slow_tokens + 1 if slow else 0
        bursting = self.energy.tps(now_s) > self.profile.burst_tps
        self.counts.bursts += bursting and not self._bursting
        self._bursting = bursting
        self._judge(first, now_s)

    def end(self, request: str, now_s: float) -> None:
        """A request ended, in whatever way; the session drains with its last one."""
        self.advance(now_s)
        self._running.discard(request)
        if not self._running and self._state is not State.IDLE:
            self._enter(State.DRAINED, now_s)
            self._stalled = self._bursting = False

    def state(self, now_s: float) -> State:
        self.advance(now_s)
        return self._state

    def stalled(self, now_s: float) -> bool:
        """A gap longer than the stall time is open now."""
        self.advance(now_s)
        return self._stalled

    def bursting(self, now_s: float) -> bool:
        self.advance(now_s)
        return self._bursting

    def advance(self, now_s: float) -> None:
        """Takes what happens by time alone. Asking often or seldom gives the same."""
        before_s = self._now_s
        self._now_s = now_s
        if before_s is None:
            return
        self._integrate(before_s, now_s)
        if self._state in _ANSWERING and not self._stalled and self.energy.overdue(now_s):
            self._stalled = True
            self.counts.stalls += 1
        if self._bursting and self.energy.tps(now_s) <= self.profile.burst_tps:
            self._bursting = False
        self._by_time(now_s)

    def _by_time(self, now_s: float) -> None:
        unanswered = self._state is State.CHARGING and now_s - self._since_s >= CHARGING_TIMEOUT_S
        unended = self._state in _ANSWERING and self.energy.gap_ms(now_s) >= 1000.0 * CHARGING_TIMEOUT_S
        if unanswered or unended:
            self._abandon(now_s)
        elif self._state is State.DRAINED and now_s - self._since_s >= DRAINED_FOR_S:
            self._enter(State.IDLE, now_s)
        if self._state is State.FLOWING and self._high_for(now_s) >= SATURATED_AFTER_S:
            self._enter(State.SATURATED, now_s)
        if self._state is State.SATURATED and self.energy.at(now_s) < SATURATED_BELOW:
            self._enter(State.FLOWING, now_s)

    def _abandon(self, now_s: float) -> None:
        self._running.clear()
        self._stalled = self._bursting = False
        self._enter(State.IDLE, now_s)

    def _judge(self, first: bool, now_s: float) -> None:
        """Where a token leads."""
        if self.energy.at(now_s) >= SATURATED_AT:
            self._high_since_s = now_s if self._high_since_s is None else self._high_since_s
        else:
            self._high_since_s = None
        if first:
            self._enter(State.FLOWING, now_s)
        elif self._slow_tokens >= STALL_TOKENS:
            self._enter(State.STALLING, now_s)
        elif self._state is State.STALLING and self._slow_tokens == 0:
            self._enter(State.FLOWING, now_s)

    def _high_for(self, now_s: float) -> float:
        """How long E was at least 0.85 without a break, in seconds; E only falls between tokens, and we know when."""
        if self._high_since_s is None:
            return 0.0
        return min(now_s, self.energy.falls_below_s(SATURATED_AT)) - self._high_since_s

    def _enter(self, state: State, now_s: float) -> None:
        if state is not self._state:
            self._state = state
            self._since_s = now_s

    def _integrate(self, from_s: float, to_s: float) -> None:
        self.counts.lifetime_energy_s += self.energy.integral(from_s, to_s)
