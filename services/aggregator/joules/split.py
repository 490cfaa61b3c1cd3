"""Whose energy one second of a device was: models, others, idle. Their sum is the device's (CONTRACTS §1, "Joules")."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

MEASURED, SHARED, UNKNOWN = "measured", "shared", "unknown"
_MATTERS = 0.05


@dataclass(frozen=True, slots=True)
class Use:
    """Who used a device in one second. What was not told is not in the mappings."""

    utilisation: Mapping[str, float] = field(default_factory=dict)
    """Model → percent of the device's time, as the driver tells of its processes."""
    processes: float = math.nan
    """Percent of all processes together, the models' in it; NaN: not told."""
    tokens: Mapping[str, float] = field(default_factory=dict)
    """Model → output tokens."""
    running: Mapping[str, float] = field(default_factory=dict)
    """Model → seconds in which it had a request, over all its requests."""
    busy: bool | None = None
    """Whether the device worked at all; None: not told."""
    alone: bool = True
    """Whether no other device of its kind was busy: utilisation told for all together is this one's then."""


class Share(NamedTuple):
    """Joules of one model, and how they were found."""

    joules: float
    attribution: str


class Split(NamedTuple):
    """One second of one device; joules."""

    models: dict[str, Share]
    other: float
    """Of other programs, or of nobody knows whom."""
    idle: float


def split(joules: float, idle_joules: float, idle_known: bool, use: Use) -> Split:
    """Share out `joules` of a second, of which `idle_joules` would have been taken at rest.

    The part above idle goes to each model as its utilisation is to that of all processes (measured); where the
    driver does not tell, as its output tokens are to all models' (shared); where there were none, as its running time
    is (unknown). A device that says it did nothing was idle, whatever it took: its clocks have not come down yet.
    """
    rest = joules - idle_joules
    if use.busy is False:
        return Split({}, 0.0, joules)
    sure = idle_known and use.alone and not math.isnan(use.processes)
    strangers = {model: tokens for model, tokens in use.tokens.items() if model not in use.utilisation and tokens > 0}
    known = sum(use.utilisation.values())
    total = max(known, 0.0 if math.isnan(use.processes) else use.processes)
    if total > 0 and not (strangers and math.isnan(use.processes)):
        label = MEASURED if sure else SHARED
        shares = {model: Share(rest * part / total, label) for model, part in use.utilisation.items() if part > 0}
        left = rest * (total - known) / total
        if strangers and left > 0:
            return Split(shares | _by(strangers, left, SHARED), 0.0, idle_joules)
        return Split(shares, left, idle_joules)
    for weights, label in ((use.tokens, SHARED), (use.running, UNKNOWN)):
        if sum(weights.values()) > 0:
            return Split(_by(weights, rest, label), 0.0, idle_joules)
    return Split({}, rest, idle_joules)


def _by(weights: Mapping[str, float], joules: float, label: str) -> dict[str, Share]:
    total = sum(weights.values())
    return {name: Share(joules * weight / total, label) for name, weight in weights.items() if weight > 0}


def mainly(joules: Mapping[str, float]) -> str:
    """Return how a sum of attribution → joules was found: the least sure way that gave 5 % of it; "" of nothing."""
    least = _MATTERS * sum(joules.values())
    return next((label for label in (UNKNOWN, SHARED, MEASURED) if joules.get(label, 0.0) > least), "")
