"""Entropy and certainty of one token from its top-k log-probabilities, with bounds for what is not seen.

Pure. The whole distribution is never known: k candidates with mass M, and a tail of mass r = 1 − M over at most
V − k tokens, none likelier than the least of the k. Hence

    H_k + r·log₂(1/min(p_k, r)) ≤ H ≤ H_k + r·log₂((V − k)/r),   H_k = −Σ pᵢ log₂ pᵢ

A runtime gives log-probabilities before sampling (its softmax over the vocabulary, temperature and filters not in
it); what it gives after sampling is not measured here.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

# No runtime says how large its vocabulary is. The largest in use have 262,208 tokens; the double widens the upper
# bound by r bits at most.
VOCABULARY = 2**19
# Below this mass the interval is too wide for one number to stand for it.
POINT_MASS = 0.9
_LN2 = math.log(2.0)
# Softmax in single precision over a vocabulary sums to 1 ± this.
_ROUNDING = 1e-3


class Certainty(NamedTuple):
    """One token's figures; NaN where not measured."""

    bits: float
    """Middle of the interval; NaN where the seen mass is below 0.9."""
    low_bits: float
    high_bits: float
    certainty: float
    """1 − H/ln K over the renormalised top-K (CONTRACTS §2), 0 to 1; 1 for K = 1."""
    mass: float
    """Probability of the candidates seen, of which the bounds are: 0 to 1."""


def measure(
    top: Sequence[float],
    sampled: float | None = None,
    sampled_in_top: bool = True,
    vocabulary: int = VOCABULARY,
    *,
    told_apart: bool = True,
) -> Certainty | None:
    """Return the figures of natural log-probabilities `top`; `sampled` is that of the token that was taken.

    `told_apart` False: the candidates are known by their text alone, where of several that say the same one is left
    over; what is not seen may then be likelier than what is.

    None without candidates, for values that are no log-probabilities, and for the bare p = 1 that speculative
    decoding reports in place of a distribution: that is not an entropy of 0.
    """
    if not top or any(math.isnan(value) or value > _ROUNDING for value in top):
        return None
    weights = sorted((math.exp(min(value, 0.0)) for value in top), reverse=True)
    if weights[0] == 0.0 or (weights[0] == 1.0 and not any(weights[1:])):
        return None
    seen = list(weights)
    if sampled is not None and not sampled_in_top and math.isfinite(sampled) and sampled <= 0.0:
        seen.append(math.exp(sampled))
    mass = math.fsum(seen)
    if mass > 1.0 + _ROUNDING:
        return None
    if mass > 1.0:
        seen = [weight / mass for weight in seen]
        mass = 1.0
    # The token that was taken may be listed whether it is of the k likeliest or not, even in place of the k-th.
    others = [value for value in top if value != sampled]
    least = math.exp(min(0.0, *others)) if told_apart and others else 1.0
    low, high = bounds(seen, least, mass, vocabulary)
    bits = (low + high) / 2.0 if mass >= POINT_MASS else math.nan
    return Certainty(bits, low, high, certainty(weights), mass)


def bounds(seen: Sequence[float], least: float, mass: float, vocabulary: int = VOCABULARY) -> tuple[float, float]:
    """Return (low, high) in bits; `least` is the least likely of the top-k, above which no token of the tail lies."""
    known = -math.fsum(weight * math.log2(weight) for weight in seen if weight > 0.0)
    rest = max(0.0, 1.0 - mass)
    if rest == 0.0:
        return known, known
    left = vocabulary - len(seen)
    if left < 1:
        return known, known
    # A tail of one token has entropy term r·log₂(1/r); more tokens only add to it.
    cap = min(least, rest) if least > 0.0 else rest
    low = known + rest * math.log2(1.0 / cap)
    high = known + rest * math.log2(left / rest)
    return min(low, high), high


def certainty(weights: Sequence[float]) -> float:
    """Return 1 − H/ln K of the renormalised weights (CONTRACTS §2), in [0, 1]."""
    if len(weights) == 1:
        return 1.0
    total = math.fsum(weights)
    entropy = -math.fsum(p * math.log(p) for p in (weight / total for weight in weights) if p > 0.0)
    return min(1.0, max(0.0, 1.0 - entropy / math.log(len(weights))))


def mean(parts: Iterable[Certainty | None]) -> Certainty | None:
    """Return the means over the tokens of one event, each over those that have the figure; None where none has."""
    found = [part for part in parts if part is not None]
    if len(found) < 2:
        return found[0] if found else None
    return Certainty(*(_mean_of(column) for column in zip(*found, strict=True)))


def _mean_of(values: Iterable[float]) -> float:
    known = [value for value in values if not math.isnan(value)]
    return math.fsum(known) / len(known) if known else math.nan
