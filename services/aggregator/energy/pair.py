"""Two models that stream at once: interference, resonance, desynchronisation (CONTRACTS §3)."""

from dataclasses import dataclass

import numpy as np

from services.aggregator.energy.rates import Coupling, Floats, coupling, lag_s, rate_signal

WINDOW_S = 10.0
DESYNC_WINDOW_S = 5.0
SHOWN_ABOVE = 0.7
RESONANT_ABOVE = 0.85
RESONANT_ENERGY = 0.8
RESONANT_DI_BELOW = 0.3
RESONANT_AFTER_S = 1.0
DESYNC_BELOW = 0.5
DESYNC_LAG_S = 0.1
DESYNC_AFTER_S = 2.0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What holds of a pair at one moment. `coupling` is None where it cannot be judged."""

    coupling: Coupling | None
    resonant: bool
    desynchronised: bool

    @property
    def interference(self) -> float | None:
        """r where it is worth showing: |r| > 0.7 and significant; > 0 constructive, < 0 destructive."""
        if self.coupling is None or not self.coupling.significant or abs(self.coupling.r) <= SHOWN_ABOVE:
            return None
        return self.coupling.r


class Pair:
    """Judged each 100 ms; remembers whether it was resonant, and with which lag."""

    def __init__(self) -> None:
        self._forget()

    def _forget(self) -> None:
        self._high_since_s: float | None = None
        self._apart_since_s: float | None = None
        self._resonant = False
        self._was_resonant = False
        self._lag_s = 0.0
        self._desynchronised = False

    def judge(
        self, one_s: Floats, other_s: Floats, now_s: float, ensemble_energy: float, disagreement: float | None = None
    ) -> Verdict:
        """`one_s`, `other_s`: arrivals, ascending. `disagreement`: DI where it is measured."""
        signals = [rate_signal(arrivals, now_s, WINDOW_S) for arrivals in (one_s, other_s)]
        if signals[0] is None or signals[1] is None:
            self._forget()  # silence is not desync
            return Verdict(None, False, False)
        found = coupling(signals[0], signals[1])
        agree = disagreement is None or disagreement < RESONANT_DI_BELOW
        high = found is not None and found.r > RESONANT_ABOVE and agree and ensemble_energy >= RESONANT_ENERGY
        self._high_since_s = (self._high_since_s if self._high_since_s is not None else now_s) if high else None
        self._resonant = self._high_since_s is not None and now_s - self._high_since_s >= RESONANT_AFTER_S - 1e-9
        if self._resonant:
            if not self._was_resonant or self._desynchronised:
                self._lag_s = lag_s(signals[0], signals[1])
            self._was_resonant, self._desynchronised = True, False
        apart = self._was_resonant and self._apart(signals[0], signals[1])
        self._apart_since_s = (self._apart_since_s if self._apart_since_s is not None else now_s) if apart else None
        if self._apart_since_s is not None and now_s - self._apart_since_s >= DESYNC_AFTER_S - 1e-9:
            self._desynchronised = True
        return Verdict(found, self._resonant, self._desynchronised)

    def _apart(self, one: Floats, other: Floats) -> bool:
        """The last 5 s no longer go together, or one follows later than it did."""
        points = round(len(one) * DESYNC_WINDOW_S / WINDOW_S)
        late = coupling(one[-points:], other[-points:])
        if late is None:
            return False
        lagged = abs(lag_s(one[-points:], other[-points:]) - self._lag_s) > DESYNC_LAG_S + 1e-9
        return late.r < DESYNC_BELOW or (lagged and late.r > -SHOWN_ABOVE)


def disagreement(one: Floats, other: Floats) -> float:
    """Jensen–Shannon divergence, base 2, of two distributions over the same outcomes, in [0, 1]."""
    p, q = one / one.sum(), other / other.sum()
    middle = (p + q) / 2.0

    def divergence(x: Floats) -> float:
        some = x > 0.0
        return float(np.sum(x[some] * np.log2(x[some] / middle[some])))

    return min(max((divergence(p) + divergence(q)) / 2.0, 0.0), 1.0)
