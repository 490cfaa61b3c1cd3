"""Profiles: how fast a machine's models run, and what counts as a stall on it (CONTRACTS §2)."""

from dataclasses import dataclass


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


def scaled(profile: Profile, tps_p95: float) -> Profile:
    """The `auto` profile: TPS_max is the 95th percentile of the model's own last seven days."""
    return Profile("auto", tps_p95, profile.stall_ms, profile.alpha, profile.ceil_ms)
