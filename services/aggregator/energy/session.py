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
    """Each counted by the token that ended it: until then one that is on its way may still undo it."""
    bursts: int = 0
    lifetime_energy_s: float = 0.0
    """∫ E dt up to the newest token, in seconds at full energy."""


class Session:
    """One model: its energy, where it stands, and what it has counted.

    It moves by what it is told alone: prompts, tokens, ends. What is asked of it, at any time not before its newest
    token, is computed from there and kept nowhere, so a token that is told late counts at its own time, whoever
    asked meanwhile. Times of tokens do not go back.
    """

    def __init__(self, profile: Profile) -> None:
        self.energy = Energy(profile)
        self.counts = Counts()
        self._state = State.IDLE
        self._since_s = 0.0
        self._slow_tokens = 0
        self._high_since_s: float | None = None
        self._bursting = False
        self._running: set[str] = set()

    @property
    def profile(self) -> Profile:
        return self.energy.profile

    def measure_against(self, profile: Profile) -> None:
        """Another profile for the next token on; E does not jump, since tokens that came stay measured as they were."""
        self.energy.profile = profile

    def prompt(self, request: str, now_s: float) -> None:
        """A prompt was sent; tokens of other requests that came before may be told after it."""
        self._give_up(now_s)
        self._running.add(request)
        if self._state in (State.IDLE, State.DRAINED):
            self._enter(State.CHARGING, now_s)

    def token(self, request: str, now_s: float, certainty: float | None = None) -> None:
        """One output token."""
        self._give_up(now_s)
        self._enter(self.state(now_s), now_s)
        self._running.add(request)
        first = self._state in (State.IDLE, State.CHARGING, State.DRAINED)
        slow = self.energy.overdue(now_s) and not first
        self.counts.stalls += slow
        self._slow_tokens = self._slow_tokens + 1 if slow else 0
        self.counts.lifetime_energy_s = self.lifetime_energy_s(now_s)
        was_bursting = self.bursting(now_s)
        if self.energy.at(now_s) < SATURATED_AT:
            self._high_since_s = None
        self.energy.token(now_s, certainty)
        self.counts.tokens += 1
        self._bursting = self.energy.tps(now_s) > self.profile.burst_tps
        self.counts.bursts += self._bursting and not was_bursting
        self._judge(first, now_s)

    def end(self, request: str, now_s: float) -> None:
        """A request ended, in whatever way; the session drains with its last one."""
        self._give_up(now_s)
        self._running.discard(request)
        if not self._running and self.state(now_s) is not State.IDLE:
            self._enter(State.DRAINED, now_s)
            self._bursting = False

    def state(self, now_s: float) -> State:
        """Where it stands, with what happens by time alone."""
        if self._lost(now_s) or (self._state is State.DRAINED and now_s - self._since_s >= DRAINED_FOR_S):
            return State.IDLE
        saturated = self._state is State.SATURATED
        if saturated or (self._state is State.FLOWING and self._high_for(now_s) >= SATURATED_AFTER_S):
            return State.FLOWING if self.energy.at(now_s) < SATURATED_BELOW else State.SATURATED
        return self._state

    def running(self, now_s: float) -> int:
        """Requests under way."""
        return 0 if self._lost(now_s) else len(self._running)

    def stalled(self, now_s: float) -> bool:
        """A gap longer than the stall time is open now, by the tokens told so far."""
        return self.state(now_s) in _ANSWERING and self.energy.overdue(now_s)

    def bursting(self, now_s: float) -> bool:
        return self._bursting and not self._lost(now_s) and self.energy.tps(now_s) > self.profile.burst_tps

    def lifetime_energy_s(self, now_s: float) -> float:
        """∫ E dt up to now, in seconds at full energy."""
        last_s = self.energy.last_s
        return self.counts.lifetime_energy_s + (0.0 if last_s is None else self.energy.integral(last_s, now_s))

    def _lost(self, now_s: float) -> bool:
        """Nobody answers the prompt, or the end of the answer was never told."""
        if self._state is State.CHARGING:
            return now_s - self._since_s >= CHARGING_TIMEOUT_S
        return self._state in _ANSWERING and self.energy.gap_ms(now_s) >= 1000.0 * CHARGING_TIMEOUT_S

    def _give_up(self, now_s: float) -> None:
        if self._lost(now_s):
            self._running.clear()
            self._bursting = False
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
