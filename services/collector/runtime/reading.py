"""What one look at a runtime found: its state, and per model what is known and what is measured."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from bus.model_names import plain_name
from bus.series import Series
from services.collector.runtime.histogram import mean, quantile
from services.collector.runtime.past import Past
from services.collector.sampler import NAN

MOST_MODELS = 64
"""A runtime that tells of more keeps the first ones: each is a table of a dozen series."""
STREAM, TOTAL = "stream", "total"
"""Values of the label `type` of a rate: of one request's stream (llama.cpp), or of all streams together (vLLM)."""
COMPUTED, ALL = "computed", "all"
"""Values of the label `type` of prompt tokens: without those found in the cache (llama.cpp), or with them (vLLM)."""

_REASONS = {"stop": "stop", "length": "length", "tool_calls": "tool", "abort": "abort", "error": "error"}


@dataclass
class Model:
    """One model that is loaded, or asleep."""

    name: str
    asleep: bool = False
    used: object = None
    """Changes whenever somebody uses the model; None where that cannot be told."""
    info: dict[str, str] = field(default_factory=dict)
    """quantisation, parameters, context_length, size_bytes, version … as far as they are told."""
    values: dict[Series, float] = field(default_factory=dict)


@dataclass
class Reading:
    """One look."""

    runtime: str
    version: str = ""
    models: dict[str, Model] = field(default_factory=dict)
    loading: frozenset[str] = frozenset()
    """Models that are being loaded right now."""
    loads: bool = True
    """False for a proxy: its models come with the first request, not by being loaded."""
    began_wall_s: float | None = None
    """When its process began, by the wall clock, as it tells of itself; None where it does not."""
    note: str = ""
    """What this runtime does not tell as it is started, and how to get it."""

    def model(self, name: str) -> Model:
        """The model of this name, made where it is new."""
        name = plain_name(name)
        if name not in self.models and len(self.models) >= MOST_MODELS:
            self.note = f"it tells of more than {MOST_MODELS} models; the others are left out"
            return Model(name)
        return self.models.setdefault(name, Model(name))

    def put(self, name: str, metric: str, value: float | None, **labels: str) -> None:
        """One measurement of a model; None where the runtime does not have it, NaN where it is not known now."""
        if value is not None:
            model = self.model(name)
            sorted_labels = tuple(sorted((labels | {"runtime": self.runtime}).items()))
            series = Series(f"model.{metric}", f"model:{model.name}", sorted_labels)
            model.values[series] = value if math.isfinite(value) and value >= 0.0 else NAN  # nothing here is negative

    def put_times(self, name: str, metric: str, past: Past, histogram: str) -> None:
        """Mean and quantiles of a histogram of seconds over the last minute, in ms."""
        found = past.histogram(histogram)
        if found is not None:
            self.put(name, metric, 1000.0 * mean(found), type="mean")
            for percent in (50, 95, 99):
                self.put(name, metric, 1000.0 * quantile(found, percent / 100.0), type=f"p{percent}")


def reason_of(told: str) -> str:
    """Why a request ended, in our words."""
    return _REASONS.get(told, "other")


def facts(**told: object) -> dict[str, str]:
    """Those facts about a model that were told, as text."""
    return {
        name: "".join(letter for letter in str(value)[:100] if letter.isprintable())
        for name, value in told.items()
        if value not in (None, "", 0)
    }
