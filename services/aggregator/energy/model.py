"""One model as the board sees it: its session, fed by token bursts, read as the values of its series."""

import math
from collections import deque
from collections.abc import Sequence

from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from bus.series import Series
from services.aggregator.energy.means import EnergyMeans
from services.aggregator.energy.pair import WINDOW_S
from services.aggregator.energy.pairs import Standing
from services.aggregator.energy.profile import Profile
from services.aggregator.energy.rates import RATE_OVER_S
from services.aggregator.energy.session import Session, State

FIELDS = (
    "tps", "token_interval_ms", "energy", "certainty", "entropy_bits", "state",
    "tokens_total", "stalls_total", "bursts_total", "requests_running", "interference", "resonance", "desync",
)  # fmt: skip
# A model that has been idle for so long is no longer told each tick; its ring keeps what was.
QUIET_AFTER_S = 10.0
# A window up to the newest token of the slower of two, which may be a stall behind.
_KEPT_S = WINDOW_S + RATE_OVER_S + 2.0
_SILENT = (State.IDLE, State.CHARGING, State.DRAINED)


class Model:
    """Times are of the boot clock, in seconds; those that lag behind (two requests at once) count as now."""

    def __init__(self, name: str, profile: Profile, means: EnergyMeans) -> None:
        self.session = Session(profile)
        self.columns = tuple(Series(f"model.{field}", f"model:{name}") for field in FIELDS)
        self.arrivals: deque[float] = deque()
        self.last_token_s = -math.inf
        self.standing = Standing()
        self._means = means
        self._now_s = self._heard_s = -math.inf
        self._interval_ms = math.nan
        self._certainty = math.nan
        self._entropy_bits = math.nan

    def take(self, burst: TokenBurst, epoch_s: float) -> None:
        """Applies a burst, at `epoch_s` where it has no times of its own."""
        if burst.phase == Phase.PHASE_SENT:
            self.session.prompt(burst.request_id, self._at(epoch_s))
        for index, boot in enumerate(burst.boot_us):
            now_s = self._at(boot / 1e6)
            self._certainty, self._entropy_bits = _value(burst.certainty, index), _value(burst.entropy_bits, index)
            for _ in range(max(burst.tokens[index], 1) if index < len(burst.tokens) else 1):
                self._token(burst.request_id, now_s)
        self._heard_s = self._at(epoch_s)
        while self.arrivals and self.arrivals[0] < self._now_s - _KEPT_S:
            self.arrivals.popleft()
        if burst.phase == Phase.PHASE_ENDED:
            self.session.end(burst.request_id, self._now_s)

    def _token(self, request: str, now_s: float) -> None:
        if self.last_token_s > -math.inf:
            self._interval_ms = 1000.0 * (now_s - self.last_token_s)
        self.last_token_s = now_s
        self.session.token(request, now_s, None if math.isnan(self._certainty) else self._certainty)
        self.arrivals.append(now_s)
        session = self.session
        self._means.token(request, now_s, session.counts.lifetime_energy_s, session.energy.at(now_s))

    def _at(self, now_s: float) -> float:
        self._now_s = max(self._now_s, now_s)
        return self._now_s

    def state(self, now_s: float) -> State:
        return self.session.state(self._at(now_s))

    def energy(self, now_s: float) -> float:
        return self.session.energy.at(self._at(now_s))

    def streams(self, now_s: float) -> bool:
        """Whether tokens of it are under way."""
        return self.state(now_s) not in _SILENT

    def awake(self, now_s: float) -> bool:
        return now_s - self._heard_s < QUIET_AFTER_S or self.state(now_s) is not State.IDLE

    def row(self, now_s: float) -> list[float]:
        """Values of FIELDS."""
        session = self.session
        now_s = self._at(now_s)
        state = session.state(now_s)
        streaming = state not in _SILENT
        absent = math.nan
        return [
            session.energy.tps(now_s) if streaming else absent,
            self._interval_ms if streaming else absent,
            session.energy.at(now_s),
            self._certainty if streaming else absent,
            self._entropy_bits if streaming else absent,
            float(state),
            float(session.counts.tokens),
            float(session.counts.stalls),
            float(session.counts.bursts),
            float(session.running),
            *(self.standing if streaming else Standing()),
        ]


def _value(column: Sequence[float], index: int) -> float:
    return column[index] if index < len(column) else math.nan
