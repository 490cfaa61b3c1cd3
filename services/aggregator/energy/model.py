"""One model as the board sees it: its session, fed by token bursts, read as the values of its series."""

import math
from collections.abc import Mapping, Sequence
from itertools import chain

from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from bus.series import Series
from services.aggregator.energy.energy import TPS_WINDOW_S
from services.aggregator.energy.learned import Learned
from services.aggregator.energy.means import EnergyMeans
from services.aggregator.energy.pairs import DESYNC, INTERFERENCE, RESONANCE, Standing
from services.aggregator.energy.profile import NUMBERS, STANDARD, Profile, in_force
from services.aggregator.energy.session import Session, State
from services.aggregator.energy.slowdown import Stretches
from services.aggregator.energy.trace import LATE_S, Then, Trace

FIELDS = (
    "tps", "token_interval_ms", "energy", "certainty",
    "entropy_bits", "entropy_low_bits", "entropy_high_bits", "entropy_mass_ratio", "state",
    "tokens_total", "stalls_total", "bursts_total", "requests_running",
)  # fmt: skip
# Of each pair that it was in, with the label `other`.
PAIR_FIELDS = ("interference", "resonance", "desync")
# With more, what holds is told by events alone: a model may be one of many that come and go.
MOST_OTHERS = 16
# Told each second: what changes slowly.
SLOW_FIELDS = (
    "energy_lifetime", "slowdown_ratio", "interferences_total", "resonances_total", "desyncs_total",
    "profile", "profile_tps_max", "profile_stall_ms", "profile_burst_tps", "profile_alpha",
)  # fmt: skip
# A model without a token for so long is not at work, whatever it told last; a prompt may take longer than that.
_AT_WORK_S = 10.0
# A slowdown stands until the next stretch of tokens is complete, and no longer than this.
_SLOWED_S = 30.0
# A model that has been idle for so long is no longer told each tick; its ring keeps what was.
QUIET_AFTER_S = 10.0
_NOT_JUDGED = Standing()
_NO_ENTROPY: tuple[float, ...] = (math.nan,) * 4
_SILENT = (State.IDLE, State.CHARGING, State.DRAINED)


class Model:
    """Times are of the boot clock, in seconds. Its state moves by its tokens' own times alone, whenever they are heard;
    what is asked of it moves nothing. A token older than the newest (two requests at once) counts as at the newest.
    """

    def __init__(self, name: str, learned: Learned, means: EnergyMeans) -> None:
        self.name = name
        self.session = Session(STANDARD)
        self.columns = tuple(Series(f"model.{field}", f"model:{name}") for field in FIELDS)
        self._others: list[str] = []
        self.slow_columns = tuple(Series(f"model.{field}", f"model:{name}") for field in SLOW_FIELDS)
        self.trace = Trace()
        self.last_token_s = -math.inf
        self._standing: Mapping[str, Standing] = {}
        self.episodes = {INTERFERENCE: 0, RESONANCE: 0, DESYNC: 0}
        self._learned = learned
        self._earlier_lives_s = learned.lifetime_s(name)
        self._means = means
        self._streams_since_s = self._flows_since_s = math.inf
        self._stretches = Stretches(name)
        self._slowdown, self._slowed_s = math.nan, -math.inf
        self._worked_until_s = -math.inf
        self._heard_s = -math.inf
        self._interval_ms = math.nan
        self._certainty = math.nan
        self._entropy = _NO_ENTROPY  # as `_newest_entropy` gives it

    def take(self, burst: TokenBurst, epoch_s: float, others_until_s: float, days: float) -> None:
        """Applies a burst, at `epoch_s` where it has no times of its own.

        `others_until_s`: when another model was last at work, inf where one is. `days`: wall clock, since 1970.
        """
        if burst.request_bytes:
            self._stretches.sent(burst.request_id, burst.request_bytes)
        if burst.phase == Phase.PHASE_SENT:
            self.session.prompt(burst.request_id, self._at(epoch_s))
        for index, boot in enumerate(burst.boot_us):
            now_s = self._at(boot / 1e6)  # never before the newest token
            self._certainty = _value(burst.certainty, index)
            for _ in range(max(burst.tokens[index], 1) if index < len(burst.tokens) else 1):
                self._token(burst.request_id, now_s)
                self._compare(burst.request_id, now_s, others_until_s, days)
        if burst.boot_us:
            self._entropy = _newest_entropy(burst)
        self._heard_s = max(self._heard_s, epoch_s)
        if burst.phase == Phase.PHASE_ENDED:
            self._worked_until_s = max(self._worked_until_s, self._at(epoch_s))
            self.session.end(burst.request_id, self._at(epoch_s))
            self._stretches.ended(burst.request_id)

    def _token(self, request: str, now_s: float) -> None:
        energy = self.session.energy
        if not self.streams(now_s):
            self._streams_since_s = now_s
            if energy.last_s is None or energy.overdue(now_s):
                self._flows_since_s = now_s
        if self.last_token_s > -math.inf:
            self._interval_ms = 1000.0 * (now_s - self.last_token_s)
        self.last_token_s = now_s
        self.session.token(request, now_s, None if math.isnan(self._certainty) else self._certainty)
        then = Then(now_s, energy.at(now_s), energy.holds_until_s, self._flows_since_s)
        self.trace.add(then)
        self._means.token(request, now_s, self.session.counts.lifetime_energy_s, then.energy)

    def _compare(self, request: str, now_s: float, others_until_s: float, days: float) -> None:
        stretch = self._stretches.token(request, now_s, self.session.running(now_s), min(others_until_s, now_s))
        if stretch is None:
            return
        baselines = self._learned.baselines
        if stretch.alone:
            baselines.learn(stretch.bin, stretch.tpot_ms, days)
            self._slowdown = math.nan
            return
        alone_ms = baselines.tpot_ms(stretch.bin, days)
        self._slowdown = math.nan if alone_ms is None else stretch.tpot_ms / alone_ms
        self._slowed_s = now_s

    def at_work_until_s(self, now_s: float) -> float:
        """inf while a prompt or an answer of it is under way, else when one was last."""
        now_s = self._at(now_s)
        # First what costs nothing: it is asked of each model with each burst of another.
        if self.session.running(now_s) and (
            now_s - self.last_token_s < _AT_WORK_S or self.state(now_s) is State.CHARGING
        ):
            return math.inf
        return max(self._worked_until_s, self.last_token_s)

    def _at(self, now_s: float) -> float:
        """A time at which its state can be asked: there is none before the newest token."""
        return max(now_s, self.last_token_s)

    def state(self, now_s: float) -> State:
        return self.session.state(self._at(now_s))

    def energy(self, now_s: float) -> float:
        return self.session.energy.at(self._at(now_s))

    def streams(self, now_s: float) -> bool:
        """Whether tokens of it are under way."""
        return self.state(now_s) not in _SILENT

    def flows(self, now_s: float) -> bool:
        """Whether tokens of it are under way, and none is overdue."""
        return self.streams(now_s) and not self.session.energy.overdue(self._at(now_s))

    def awake(self, now_s: float) -> bool:
        return now_s - self._heard_s < QUIET_AFTER_S or self.state(now_s) is not State.IDLE

    def measure_against(self, choice: str, day: int) -> bool:
        """The profile that the setting means for this model; whether it is another one than before."""
        before = self.session.profile
        profile = in_force(choice, self._learned.weeks[self.name], day, before)
        self.session.measure_against(profile)
        return profile != before

    def stand(self, standing: Mapping[str, Standing]) -> None:
        """Takes what holds of it with each other model; whom it was ever judged with has columns from then on."""
        self._standing = standing
        new = [other for other in standing if other not in self._others][: MOST_OTHERS - len(self._others)]
        self._others += new
        source = f"model:{self.name}"
        self.columns += tuple(
            Series(f"model.{field}", source, (("other", other),)) for other in new for field in PAIR_FIELDS
        )

    def learn(self, now_s: float, day: int) -> None:
        """Once a second: what is kept of it over its lives."""
        session, now_s = self.session, self._at(now_s)
        # The rate is that of a whole second only then.
        if self.streams(now_s) and now_s - self._streams_since_s >= TPS_WINDOW_S:
            self._learned.ran(self.name, day, session.energy.tps(now_s))
        settled_s = session.lifetime_energy_s(self._at(now_s - LATE_S))
        self._learned.reach(self.name, self._earlier_lives_s + settled_s)

    def slow_row(self, now_s: float, *, alone: bool) -> list[float]:
        """Values of SLOW_FIELDS; `alone`: no other model is at work."""
        profile = self.session.profile
        slowed = not alone and now_s - self._slowed_s <= _SLOWED_S
        return [
            self._learned.lifetime_s(self.name),
            self._slowdown if slowed else math.nan,
            *(float(self.episodes[kind]) for kind in (INTERFERENCE, RESONANCE, DESYNC)),
            NUMBERS[profile.name],
            profile.tps_max,
            profile.stall_ms,
            profile.burst_tps,
            profile.alpha,
        ]

    @property
    def profile(self) -> Profile:
        return self.session.profile

    def row(self, now_s: float) -> list[float]:
        """Values of its columns."""
        session = self.session
        now_s = self._at(now_s)
        state = session.state(now_s)
        streaming = state not in _SILENT
        standing = self._standing if streaming else {}
        absent = math.nan
        return [
            session.energy.tps(now_s) if streaming else absent,
            self._interval_ms if streaming else absent,
            session.energy.at(now_s),
            self._certainty if streaming else absent,
            *(self._entropy if streaming else _NO_ENTROPY),
            float(state),
            float(session.counts.tokens),
            float(session.counts.stalls),
            float(session.counts.bursts),
            float(session.running(now_s)),
            *chain.from_iterable(standing.get(other, _NOT_JUDGED) for other in self._others),
        ]


def _newest_entropy(burst: TokenBurst) -> tuple[float, ...]:
    """Of its newest token in bits: the point, the lower and the upper bound; and the mass that was seen."""
    columns = (burst.entropy_bits, burst.entropy_low_bits, burst.entropy_high_bits, burst.entropy_mass)
    return tuple(_value(column, len(burst.boot_us) - 1) for column in columns)


def _value(column: Sequence[float], index: int) -> float:
    return column[index] if index < len(column) else math.nan
