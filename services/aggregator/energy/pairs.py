"""All pairs of models that stream at once: what holds of them, and when it begins and ends (CONTRACTS §3)."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from services.aggregator.energy.energy import ensemble
from services.aggregator.energy.pair import WINDOW_S, Pair, Verdict
from services.aggregator.energy.rates import Floats

Names = tuple[str, str]
# What held again within so long has not ended: r swings about its threshold, and each swing is no news.
ENDS_AFTER_S = 1.0
INTERFERENCE, RESONANCE, DESYNC = "interference", "resonance", "desync"


class Stream(NamedTuple):
    """Arrivals of one model's tokens, ascending, in seconds; when the newest came; and E of the model now."""

    arrivals_s: Floats
    newest_s: float
    energy: float


class Standing(NamedTuple):
    """What holds of a model with any other; NaN where no pair of it can be judged."""

    interference: float = math.nan
    """The strongest r that is worth showing; NaN where none is."""
    resonance: float = math.nan
    """1 or 0."""
    desync: float = math.nan
    """1 or 0."""


class Change(NamedTuple):
    """Something began or ended between two models. Times are of the clock that was asked with."""

    kind: str
    """interference, resonance or desync."""
    begins: bool
    pair: Names
    at_s: float
    lasted_s: float
    r: float
    """Newest correlation; NaN where it can no longer be judged."""
    energy: float
    """Ensemble E of the two at that moment; NaN where one fell silent."""


@dataclass(slots=True)
class _Episode:
    began_s: float
    held_s: float


class Pairs:
    """Judged each 100 ms; remembers its pairs only as long as both stream."""

    def __init__(self) -> None:
        self.verdicts: dict[Names, Verdict] = {}
        """The newest judgement of each pair that streams."""
        self._pairs: dict[Names, Pair] = {}
        self._judged_s: dict[Names, float] = {}
        self._disagreement: dict[Names, tuple[float, float]] = {}
        self._episodes: dict[tuple[str, Names], _Episode] = {}

    def disagree(self, one: str, other: str, value: float, now_s: float) -> None:
        """DI of two models as it was measured; it counts for as long as a window."""
        self._disagreement[names(one, other)] = (value, now_s)

    def judge(self, streams: Mapping[str, Stream], now_s: float) -> list[Change]:
        """Judges each pair of models that stream; returns what began and ended.

        The ensemble of a pair is its two models: a third that waits for its first token says nothing of them.
        """
        verdicts: dict[Names, Verdict] = {}
        for pair in combinations(sorted(streams), 2):
            one, other = streams[pair[0]], streams[pair[1]]
            # A stream reaches through the window up to its newest token, not up to the moment of asking.
            end_s = min(one.newest_s, other.newest_s, now_s)
            if pair in self.verdicts and self._judged_s[pair] == end_s:
                verdicts[pair] = self.verdicts[pair]
                continue
            machine = self._pairs.setdefault(pair, Pair())
            energy = ensemble([one.energy, other.energy])
            verdicts[pair] = machine.judge(one.arrivals_s, other.arrivals_s, end_s, energy, self._di(pair, now_s))
            self._judged_s[pair] = end_s
        self.verdicts = verdicts
        return self._changes(streams, now_s)

    def forget(self, name: str) -> None:
        """A model fell silent: what its pairs remember goes."""
        for pair in [pair for pair in self._pairs if name in pair]:
            del self._pairs[pair], self._judged_s[pair]
            self._disagreement.pop(pair, None)

    def standing(self, name: str) -> Standing:
        """What holds of a model with any other."""
        mine = [verdict for pair, verdict in self.verdicts.items() if name in pair and verdict.coupling is not None]
        if not mine:
            return Standing()
        shown = [verdict.interference for verdict in mine if verdict.interference is not None]
        return Standing(
            max(shown, key=abs, default=math.nan),
            float(any(verdict.resonant for verdict in mine)),
            float(any(verdict.desynchronised for verdict in mine)),
        )

    def __bool__(self) -> bool:
        """Whether anything is remembered."""
        return bool(self.verdicts or self._pairs or self._episodes)

    @property
    def open(self) -> bool:
        """Whether something holds that has not ended."""
        return bool(self._episodes)

    def _di(self, pair: Names, now_s: float) -> float | None:
        value, at_s = self._disagreement.get(pair, (math.nan, -math.inf))
        return value if now_s - at_s < WINDOW_S else None

    def _changes(self, streams: Mapping[str, Stream], now_s: float) -> list[Change]:
        changes = []
        energies = {name: stream.energy for name, stream in streams.items()}
        holding = {(kind, pair) for pair, verdict in self.verdicts.items() for kind in _held(verdict)}
        for kind, pair in sorted(holding):
            episode = self._episodes.get((kind, pair))
            if episode is not None:
                episode.held_s = now_s
                continue
            self._episodes[kind, pair] = _Episode(now_s, now_s)
            changes.append(Change(kind, True, pair, now_s, 0.0, self._r(pair), _ensemble(energies, pair)))
        for (kind, pair), episode in list(self._episodes.items()):
            if now_s - episode.held_s > ENDS_AFTER_S:
                del self._episodes[kind, pair]
                lasted_s = episode.held_s - episode.began_s
                energy = _ensemble(energies, pair)
                changes.append(Change(kind, False, pair, episode.held_s, lasted_s, self._r(pair), energy))
        return changes

    def _r(self, pair: Names) -> float:
        verdict = self.verdicts.get(pair)
        return math.nan if verdict is None or verdict.coupling is None else verdict.coupling.r


def names(one: str, other: str) -> Names:
    """A pair has no order."""
    return (one, other) if one < other else (other, one)


def _ensemble(energies: Mapping[str, float], pair: Names) -> float:
    return ensemble([energies.get(name, math.nan) for name in pair])


def _held(verdict: Verdict) -> Iterable[str]:
    if verdict.interference is not None:
        yield INTERFERENCE
    if verdict.resonant:
        yield RESONANCE
    if verdict.desynchronised:
        yield DESYNC
