"""All models that answer: their sessions, fed by token bursts, read as rows of their series (CONTRACTS §1–§3)."""

import math
from collections import deque
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from bus.series import Series
from services.aggregator.energy.energy import ensemble
from services.aggregator.energy.pair import WINDOW_S, Pair, Verdict
from services.aggregator.energy.profile import STANDARD, Profile
from services.aggregator.energy.rates import RATE_OVER_S, Floats
from services.aggregator.energy.session import Session, State

FIELDS = (
    "tps", "token_interval_ms", "energy", "certainty", "entropy_bits", "state",
    "tokens_total", "stalls_total", "bursts_total", "requests_running", "interference",
)  # fmt: skip
# A model that has been idle for so long is no longer told each tick; its ring keeps what was.
QUIET_AFTER_S = 10.0
_KEPT_S = WINDOW_S + 2 * RATE_OVER_S


class Row(NamedTuple):
    """One row of a model's table. NaN is absent."""

    model: str
    columns: tuple[Series, ...]
    values: list[float]


class _Model:
    def __init__(self, name: str, profile: Profile) -> None:
        self.session = Session(profile)
        self.columns = tuple(Series(f"model.{field}", f"model:{name}") for field in FIELDS)
        self.arrivals: deque[float] = deque()
        self.now_s = self.heard_s = -math.inf
        self.last_token_s = -math.inf
        self.interval_ms = math.nan
        self.certainty = math.nan
        self.entropy_bits = math.nan
        self.interference = math.nan

    def take(self, burst: TokenBurst, epoch_s: float) -> None:
        """Applies a burst; times that lag behind (two requests at once) count as now, a session never goes back."""
        self.heard_s = self._at(epoch_s)
        if burst.phase == Phase.PHASE_SENT:
            self.session.prompt(burst.request_id, self._at(epoch_s))
        for index, boot in enumerate(burst.boot_us):
            now_s = self._at(boot / 1e6)
            certainty = _value(burst.certainty, index)
            self.certainty, self.entropy_bits = certainty, _value(burst.entropy_bits, index)
            for _ in range(max(burst.tokens[index], 1) if index < len(burst.tokens) else 1):
                if self.last_token_s > -math.inf:
                    self.interval_ms = 1000.0 * (now_s - self.last_token_s)
                self.last_token_s = now_s
                self.session.token(burst.request_id, now_s, None if math.isnan(certainty) else certainty)
                self.arrivals.append(now_s)
        while self.arrivals and self.arrivals[0] < self.now_s - _KEPT_S:
            self.arrivals.popleft()
        if burst.phase == Phase.PHASE_ENDED:
            self.session.end(burst.request_id, self._at(epoch_s))

    def _at(self, now_s: float) -> float:
        self.now_s = max(self.now_s, now_s)
        return self.now_s

    def state(self, now_s: float) -> State:
        return self.session.state(self._at(now_s))

    def energy(self, now_s: float) -> float:
        return self.session.energy.at(self._at(now_s))

    def awake(self, now_s: float) -> bool:
        return now_s - self.heard_s < QUIET_AFTER_S or self.state(now_s) is not State.IDLE

    def row(self, now_s: float) -> list[float]:
        session = self.session
        now_s = self._at(now_s)
        state = session.state(now_s)
        streaming = state not in (State.IDLE, State.CHARGING, State.DRAINED)
        absent = math.nan
        return [
            session.energy.tps(now_s) if streaming else absent,
            self.interval_ms if streaming else absent,
            session.energy.at(now_s),
            self.certainty if streaming else absent,
            self.entropy_bits if streaming else absent,
            float(state),
            float(session.counts.tokens),
            float(session.counts.stalls),
            float(session.counts.bursts),
            float(session.running),
            self.interference if streaming else absent,
        ]


def _value(column: Sequence[float], index: int) -> float:
    return column[index] if index < len(column) else math.nan


class Board:
    """Every model by name. Times are of the boot clock, in seconds."""

    def __init__(self, profile: Profile = STANDARD) -> None:
        self._profile = profile
        self._models: dict[str, _Model] = {}
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._verdicts: dict[tuple[str, str], Verdict] = {}

    def take(self, burst: TokenBurst, now_s: float) -> None:
        """A burst that arrived; `now_s` is used where it carries no time of its own."""
        model = self._models.get(burst.model)
        if model is None:
            model = self._models[burst.model] = _Model(burst.model, self._profile)
        at_s = burst.boot_us[-1] / 1e6 if burst.boot_us else now_s
        model.take(burst, at_s)

    def rows(self, now_s: float) -> Iterator[Row]:
        """A row of each model that is not quiet."""
        awake = {name: model for name, model in self._models.items() if model.awake(now_s)}
        self._judge_pairs(awake, now_s)
        for name, model in awake.items():
            yield Row(name, model.columns, model.row(now_s))

    def awake(self, now_s: float) -> bool:
        """Whether any model has something to tell."""
        return any(model.awake(now_s) for model in self._models.values())

    def verdicts(self) -> dict[tuple[str, str], Verdict]:
        """The newest judgement of each pair that streams."""
        return dict(self._verdicts)

    def ensemble_energy(self, now_s: float) -> float:
        """Of the models that are not idle."""
        return ensemble(
            [model.energy(now_s) for model in self._models.values() if model.state(now_s) is not State.IDLE]
        )

    def _judge_pairs(self, awake: dict[str, _Model], now_s: float) -> None:
        verdicts: dict[tuple[str, str], Verdict] = {}
        strongest: dict[str, float] = {}
        energy = self.ensemble_energy(now_s) if len(awake) > 1 else 0.0
        arrivals: dict[str, Floats] = {name: np.array(model.arrivals) for name, model in awake.items()}
        for one, other in combinations(sorted(awake), 2):
            pair = self._pairs.setdefault((one, other), Pair())
            # A stream reaches through the window up to its newest token, not up to the moment of asking.
            end_s = min(awake[one].last_token_s, awake[other].last_token_s, now_s)
            if now_s - end_s > self._profile.stall_ms / 1000.0:
                continue
            verdict = verdicts[one, other] = pair.judge(arrivals[one], arrivals[other], end_s, energy)
            if verdict.interference is not None:
                for name in (one, other):
                    if abs(verdict.interference) > abs(strongest.get(name, 0.0)):
                        strongest[name] = verdict.interference
        for name, model in awake.items():
            model.interference = strongest.get(name, math.nan)
        self._verdicts = verdicts
