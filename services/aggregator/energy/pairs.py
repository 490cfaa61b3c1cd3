"""All pairs of models that stream at once: what holds of them, and when it begins and ends (CONTRACTS §3)."""

import math
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple

from services.aggregator.energy.energy import ensemble
from services.aggregator.energy.pair import WINDOW_S, Pair, Verdict
from services.aggregator.energy.profile import LONGEST_STALL_S
from services.aggregator.energy.rates import GRID_S
from services.aggregator.energy.trace import LATE_S, Trace

Names = tuple[str, str]
# What held again within so long has not ended: r swings about its threshold, and each swing is no news.
ENDS_AFTER_S = 1.0
# A moment is known when a token after it is heard: it may be late, and no further away than a stall time.
_KNOWN_AFTER_S = LATE_S + LONGEST_STALL_S
INTERFERENCE, RESONANCE, DESYNC = "interference", "resonance", "desync"
_NOTHING = Verdict(None, False, False)


class Standing(NamedTuple):
    """What holds of a model with one other; NaN where the two cannot be judged."""

    interference: float = math.nan
    """r where it is worth showing, else NaN."""
    resonance: float = math.nan
    """1 or 0."""
    desync: float = math.nan
    """1 or 0."""


class Change(NamedTuple):
    """Something began or ended between two models. Times are those of their tokens."""

    kind: str
    """interference, resonance or desync."""
    begins: bool
    pair: Names
    at_s: float
    """When it first held, or last."""
    lasted_s: float
    r: float
    """Correlation at that moment."""
    energy: float
    """Ensemble E of the two at that moment."""


@dataclass(slots=True)
class _Episode:
    began_s: float
    held_s: float
    r: float
    energy: float


@dataclass(slots=True)
class _Judged:
    machine: Pair
    streams_since_s: tuple[float, float]
    step: int
    verdict: Verdict


class Pairs:
    """Judges each pair of models at each 100 ms of their tokens' own time, once the tokens of both reach so far.

    So it does not matter when somebody asks, nor how late tokens are heard, up to LATE_S.
    """

    def __init__(self) -> None:
        self._pairs: dict[Names, _Judged] = {}
        self._disagreement: dict[Names, tuple[float, float]] = {}
        self._episodes: dict[tuple[str, Names], _Episode] = {}

    @property
    def verdicts(self) -> dict[Names, Verdict]:
        """The newest judgement of each pair that is remembered."""
        return {pair: judged.verdict for pair, judged in self._pairs.items()}

    def disagree(self, one: str, other: str, value: float, now_s: float) -> None:
        """DI of two models as it was measured; it counts for as long as a window."""
        self._disagreement[names(one, other)] = (value, now_s)

    def judge(self, traces: Mapping[str, Trace], now_s: float) -> list[Change]:
        """Judges each pair of these models as far as their tokens reach; returns what began and ended.

        Other models are forgotten. The ensemble of a pair is its two models: a third that waits for its first token
        says nothing of them.
        """
        for pair in [pair for pair in self._pairs if not (pair[0] in traces and pair[1] in traces)]:
            del self._pairs[pair]
            self._disagreement.pop(pair, None)
        changes: list[Change] = []
        for pair in combinations(sorted(traces), 2):
            changes += self._judge(pair, traces[pair[0]], traces[pair[1]])
        for (kind, pair), episode in list(self._episodes.items()):
            if now_s - episode.held_s > ENDS_AFTER_S + _KNOWN_AFTER_S:
                changes.append(self._end(kind, pair))
        return changes

    def standing(self, name: str, flowing: Container[str]) -> dict[str, Standing]:
        """Other model → what holds of the two, of those that flow and can be judged."""
        found: dict[str, Standing] = {}
        for pair, judged in self._pairs.items():
            verdict = judged.verdict
            if name in pair and verdict.coupling is not None and pair[0] in flowing and pair[1] in flowing:
                r = math.nan if verdict.interference is None else verdict.interference
                other = pair[0] if pair[1] == name else pair[1]
                found[other] = Standing(r, float(verdict.resonant), float(verdict.desynchronised))
        return found

    def __bool__(self) -> bool:
        """Whether anything is remembered."""
        return bool(self._pairs or self._episodes)

    @property
    def open(self) -> bool:
        """Whether something holds that has not ended."""
        return bool(self._episodes)

    def _judge(self, pair: Names, one: Trace, other: Trace) -> Iterator[Change]:
        """From the step after the last one judged to the newest that lies before the newest token of both."""
        judged = self._pairs.get(pair)
        # Before it the window reaches back to where one of them had no token.
        first = max(one.oldest_s, other.oldest_s) + WINDOW_S
        until = min(one.newest_s, other.newest_s)
        if not first < until:
            return
        step = math.ceil(first / GRID_S)
        for at in range(step if judged is None else max(step, judged.step + 1), math.ceil(until / GRID_S)):
            at_s = at * GRID_S
            a, b = one.at(at_s), other.at(at_s)
            if a is None or b is None or at_s > min(a.holds_until_s, b.holds_until_s):
                if judged is not None:
                    judged.step = at
                continue  # a stall says nothing of the two
            since_s = (a.since_s, b.since_s)
            if judged is None or judged.streams_since_s != since_s:  # what was before a silence is forgotten
                judged = self._pairs[pair] = _Judged(Pair(), since_s, at, _NOTHING)
            judged.step = at
            if at_s - WINDOW_S < max(since_s):
                continue  # nor does a silence: through the whole window both stream
            energy = ensemble([a.energy_at(at_s), b.energy_at(at_s)])
            di = self._di(pair, at_s)
            judged.verdict = judged.machine.judge(one.arrivals_s, other.arrivals_s, at_s, energy, di)
            yield from self._changes(pair, judged.verdict, at_s, energy)

    def _di(self, pair: Names, now_s: float) -> float | None:
        value, at_s = self._disagreement.get(pair, (math.nan, -math.inf))
        return value if now_s - at_s < WINDOW_S else None

    def _changes(self, pair: Names, verdict: Verdict, at_s: float, energy: float) -> Iterator[Change]:
        r = math.nan if verdict.coupling is None else verdict.coupling.r
        held = set(_held(verdict))
        for kind in (DESYNC, INTERFERENCE, RESONANCE):
            episode = self._episodes.get((kind, pair))
            if episode is not None and at_s - episode.held_s > ENDS_AFTER_S:
                yield self._end(kind, pair)
                episode = None
            if kind not in held:
                continue
            if episode is None:
                self._episodes[kind, pair] = _Episode(at_s, at_s, r, energy)
                yield Change(kind, True, pair, at_s, 0.0, r, energy)
            else:
                episode.held_s, episode.r, episode.energy = at_s, r, energy

    def _end(self, kind: str, pair: Names) -> Change:
        episode = self._episodes.pop((kind, pair))
        lasted_s = episode.held_s - episode.began_s
        return Change(kind, False, pair, episode.held_s, lasted_s, episode.r, episode.energy)


def names(one: str, other: str) -> Names:
    """A pair has no order."""
    return (one, other) if one < other else (other, one)


def _held(verdict: Verdict) -> Iterable[str]:
    if verdict.interference is not None:
        yield INTERFERENCE
    if verdict.resonant:
        yield RESONANCE
    if verdict.desynchronised:
        yield DESYNC
