"""What a comparison asks: its bounds, and prompts of a stated length that say nothing. Pure."""

from __future__ import annotations

import random
from collections.abc import Sequence

from wfmonitor.v1.compare_service_pb2 import ComparePlan

MOST_MODELS = 8
MOST_STEPS = 4
MOST_REQUESTS = 2000
_PROMPT = (8, 32_768)
_OUTPUT = (2, 1024)
_CONCURRENCY = (1, 16)
_ROUNDS = (1, 20)
# A word is half a token at least, whatever the vocabulary.
_MOST_WORDS = 2
_LONGEST_KEY = 4096

# Usual words, one token each in most vocabularies, so that words are a first guess at tokens.
_TEXT = (
    "time year people way day man thing woman life child world school state family student group country problem hand "
    "part place case week company system program question work government number night point home water room mother "
    "area money story fact month lot right study book eye job word business issue side kind head house service friend "
    "father power hour game line end member law car city community name president team minute idea body information "
    "back parent face others level office door health person art war history party result change morning reason "
    "research girl guy moment air teacher force education foot boy age policy music market sense land nature paper"
)
_WORDS = _TEXT.split()


class PlanError(ValueError):
    """A plan out of bounds; the text names the field, the bounds and what was asked."""


def filled(asked: ComparePlan) -> ComparePlan:
    """Return the plan with its defaults, and without its API key: it is kept with the run. Raises PlanError."""
    plan = ComparePlan(
        models=list(dict.fromkeys(asked.models)),
        prompt_tokens=sorted(set(asked.prompt_tokens)) or [128, 1024],
        output_tokens=asked.output_tokens or 64,
        concurrency=sorted(set(asked.concurrency)) or [1, 4],
        rounds=asked.rounds or 5,
        anyway=asked.anyway,
        load=asked.load,
    )
    if not 1 <= len(plan.models) <= MOST_MODELS or not all(0 < len(model) <= 256 for model in plan.models):
        raise PlanError(f"models: name 1 to {MOST_MODELS} of them, as wfmon tap routes lists them")
    if len(asked.api_key) > _LONGEST_KEY or not asked.api_key.isascii() or not asked.api_key.isprintable():
        raise PlanError(f"api_key: it has at most {_LONGEST_KEY} printable ASCII characters")
    _within("prompt_tokens", plan.prompt_tokens, _PROMPT)
    _within("output_tokens", [plan.output_tokens], _OUTPUT)
    _within("concurrency", plan.concurrency, _CONCURRENCY)
    _within("rounds", [plan.rounds], _ROUNDS)
    if (count := requests_of(plan)) > MOST_REQUESTS:
        raise PlanError(
            f"that would be {count} requests; {MOST_REQUESTS} are the most, so ask for fewer rounds or steps"
        )
    return plan


def _within(name: str, values: Sequence[int], bounds: tuple[int, int]) -> None:
    low, high = bounds
    if len(values) > MOST_STEPS:
        raise PlanError(f"{name}: {len(values)} steps are too many; {MOST_STEPS} are the most")
    if any(not low <= value <= high for value in values):
        raise PlanError(f"{name}: {', '.join(map(str, values))} is not within {low} to {high}")


def requests_of(plan: ComparePlan) -> int:
    """Return how many requests a plan is, with one to warm up each model and length."""
    each = len(plan.prompt_tokens) * (1 + plan.rounds * sum(plan.concurrency))
    return len(plan.models) * each


def prompt(words: int, seed: str) -> str:
    """Return so many words, the same for one seed; two seeds share no beginning, so that no cache helps."""
    chosen = random.Random(seed)  # noqa: S311 - no secret
    return " ".join(chosen.choice(_WORDS) for _ in range(max(1, words)))


def words_for(wanted_tokens: int, words_sent: int, tokens_counted: int | None) -> int:
    """Return how many words make so many tokens, from what a runtime counted; without a count one each.

    A runtime that counts few (those that were not in its cache) may not make a prompt of any length of it.
    """
    if not tokens_counted or words_sent < 1:
        return wanted_tokens
    return max(1, min(_MOST_WORDS * wanted_tokens, round(wanted_tokens * words_sent / tokens_counted)))
