"""Profiles: how fast a machine's models run, and what counts as a stall on it (CONTRACTS §2)."""

import math
from dataclasses import dataclass, replace

from services.aggregator.energy.speeds import SpeedWeek

AUTO = "auto"
# Less than a minute of a model's own speed is a chance, not a habit.
LEAST_S = 60
# What moved by less is within the histogram's own error: the profile stays.
MOVED_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Profile:
    """What E(t) is measured against."""

    name: str
    tps_max: float
    """Tokens a second at which velocity is 1."""
    stall_ms: float
    """A longer gap between tokens is a stall."""
    alpha: float
    """Weight of a token's own base against what E was."""
    ceil_ms: float = 1500.0
    """A gap of so long has all friction."""

    @property
    def burst_tps(self) -> float:
        """Above it a model bursts: 0.6 × TPS_max, 12 by default."""
        return 0.6 * self.tps_max


STANDARD = Profile("standard", tps_max=20.0, stall_ms=400.0, alpha=0.35)
PROFILES = {
    "standard": STANDARD,
    "lite": Profile("lite", tps_max=10.0, stall_ms=500.0, alpha=0.30),
    "dual": Profile("dual", tps_max=14.0, stall_ms=400.0, alpha=0.35),
    "studio": Profile("studio", tps_max=20.0, stall_ms=350.0, alpha=0.40),
}
LONGEST_STALL_S = max(profile.stall_ms for profile in PROFILES.values()) / 1000.0
# The values of the metric model.profile.
NUMBERS = {name: float(number) for number, name in enumerate([*PROFILES, AUTO])}


def in_force(name: str, week: SpeedWeek, day: int, now: Profile) -> Profile:
    """The profile a model is measured against under the setting `energy.profile` = `name`.

    auto is the standard one with TPS_max at the 95th percentile of the model's own last seven days; before it ran
    for a minute, with the standard's own. `now` is kept where the percentile moved by less than 5 % since.
    """
    if name != AUTO:
        return PROFILES[name]
    p95 = week.p95(day) if week.seconds(day) >= LEAST_S else math.nan
    tps_max = STANDARD.tps_max if math.isnan(p95) else p95
    if now.name == AUTO and abs(tps_max - now.tps_max) < MOVED_SHARE * now.tps_max:
        return now
    return replace(STANDARD, name=AUTO, tps_max=tps_max)
