"""All models that answer: fed by token bursts, read as rows of their series (CONTRACTS §1–§3)."""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from wfmonitor.v1.request_pb2 import TokenBurst

from bus.series import Series
from services.aggregator.energy.energy import ensemble
from services.aggregator.energy.learned import Learned
from services.aggregator.energy.means import EnergyMeans
from services.aggregator.energy.model import Model
from services.aggregator.energy.pair import Verdict
from services.aggregator.energy.pairs import Change, Names, Pairs
from services.aggregator.energy.profile import STANDARD, Profile
from services.aggregator.energy.session import State

# How often auto looks whether the model's own speed has moved.
PROFILES_EVERY_S = 60.0
# The source of what is said of all models together.
ALL = "*"
ENSEMBLE = (Series("model.ensemble_energy", f"model:{ALL}"),)


class Row(NamedTuple):
    """One row of a model's table. NaN is absent."""

    model: str
    columns: tuple[Series, ...]
    values: list[float]


class Board:
    """Every model by name. Times are of the boot clock, in seconds."""

    def __init__(
        self, learned: Learned | None = None, profile: str = STANDARD.name, days: Callable[[], float] = lambda: 0.0
    ) -> None:
        """`profile`: the setting energy.profile, a name of PROFILES or auto. `days`: wall clock, since 1970."""
        self._learned = learned or Learned()
        self._choice = profile
        self._days = days
        self._models: dict[str, Model] = {}
        self._pairs = Pairs()
        self._means = EnergyMeans()
        self._changes: list[Change] = []
        self._profiles: dict[str, Profile] = {}
        self._profiles_due_s = -math.inf

    def take(self, burst: TokenBurst, now_s: float) -> None:
        """A burst that arrived; `now_s` is used where it carries no time of its own."""
        model = self._models.get(burst.model)
        if model is None:
            model = self._models[burst.model] = Model(burst.model, self._learned, self._means)
            self._measure_against([model])
        at_s = burst.boot_us[-1] / 1e6 if burst.boot_us else now_s
        model.take(burst, at_s, self._others_until_s(model, at_s), self._days())

    def disagree(self, one: str, other: str, value: float, now_s: float) -> None:
        """The disagreement index of two models, as it was measured where their tokens are."""
        self._pairs.disagree(one, other, value, now_s)

    def choose(self, profile: str) -> None:
        """The setting changed; each model's next token is measured by it."""
        self._choice = profile
        self._measure_against(self._models.values())

    def rows(self, now_s: float) -> Iterator[Row]:
        """A row of each model that is not quiet, and one of all of them together."""
        awake = {name: model for name, model in self._models.items() if model.awake(now_s)}
        self._judge_pairs(awake, now_s)
        for name, model in awake.items():
            yield Row(name, model.columns, model.row(now_s))
        if awake:
            yield Row(ALL, ENSEMBLE, [self.ensemble_energy(now_s)])

    def slow_rows(self, now_s: float) -> Iterator[Row]:
        """Once a second: learns, and gives what changes slowly of each model that is not quiet."""
        awake = [model for model in self._models.values() if model.awake(now_s)]
        day = int(self._days())
        for model in awake:
            model.learn(now_s, day)
        if now_s >= self._profiles_due_s:
            self._profiles_due_s = now_s + PROFILES_EVERY_S
            self._measure_against(awake)
        for model in awake:
            alone = self._others_until_s(model, now_s) < math.inf
            yield Row(model.name, model.slow_columns, model.slow_row(now_s, alone=alone))

    def awake(self, now_s: float) -> bool:
        """Whether any model has something to tell."""
        return self._pairs.open or any(model.awake(now_s) for model in self._models.values())

    def changes(self) -> list[Change]:
        """What began and ended between models since the last call."""
        changes, self._changes = self._changes, []
        return changes

    def profile_changes(self) -> dict[str, Profile]:
        """Models that are measured against another profile since the last call."""
        profiles, self._profiles = self._profiles, {}
        return profiles

    def verdicts(self) -> dict[Names, Verdict]:
        """The newest judgement of each pair that is awake."""
        return self._pairs.verdicts

    def ensemble_energy(self, now_s: float) -> float:
        """Σ γ_m E_m, equal weights, of the models that are not idle; NaN where all are."""
        energies = [model.energy(now_s) for model in self._models.values() if model.state(now_s) is not State.IDLE]
        return ensemble(energies) if energies else math.nan

    def energy_mean(self, request_id: str) -> float | None:
        """Mean of E(t) over a request's generation, see `EnergyMeans.mean`; told while it runs and after its end."""
        return self._means.mean(request_id)

    def _others_until_s(self, model: Model, now_s: float) -> float:
        """When a model other than this was last at work; inf where one is."""
        until_s = -math.inf
        for other in self._models.values():
            if other is not model:
                until_s = max(until_s, other.at_work_until_s(now_s))
                if until_s == math.inf:
                    break
        return until_s

    def _measure_against(self, models: Iterable[Model]) -> None:
        for model in models:
            if model.measure_against(self._choice, int(self._days())):
                self._profiles[model.name] = model.profile

    def _judge_pairs(self, awake: dict[str, Model], now_s: float) -> None:
        if len(awake) < 2 and not self._pairs:
            return
        changes = self._pairs.judge({name: model.trace for name, model in awake.items()}, now_s)
        for change in changes:
            for name in change.pair:
                self._models[name].episodes[change.kind] += change.begins
        self._changes += changes
        flowing = {name for name, model in awake.items() if model.flows(now_s)}
        for name, model in self._models.items():
            model.stand(self._pairs.standing(name, flowing) if name in flowing else {})
