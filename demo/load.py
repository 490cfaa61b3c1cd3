"""A bounded load: conversations with two models, of varied length, with pauses, until time or count is used up."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import aiohttp

_SYLLABLES = ("ka", "mi", "to", "re", "lu", "sha", "ne", "vo", "pi", "da", "su", "che")
# What a request asks for: (words of the prompt, most tokens, pause before it in s). Short questions, long
# documents, short and long answers.
_KINDS = ((4, 24, 0.2), (12, 120, 0.6), (40, 60, 1.0), (160, 200, 1.5), (8, 400, 0.5), (300, 40, 2.5))
_ANSWER_WITHIN_S = 60.0


class Bounds(NamedTuple):
    """When the load ends by itself; whichever comes first."""

    seconds: float
    requests: int


@dataclass(slots=True)
class Tally:
    """What came of it, as the client saw it."""

    requests: int = 0
    tokens: int = 0
    failures: int = 0


class Answered(NamedTuple):
    """One generation, timed at the client."""

    model: str
    tokens: int
    first_ms: float
    seconds: float


def prompt(random_: random.Random, words: int) -> str:
    """Return so many words of the models' own syllables."""
    return " ".join("".join(random_.choices(_SYLLABLES, k=random_.randint(1, 3))) for _ in range(words)) + "?"


class Load:
    """Sends through the tap at `url`; tells each answer to `told`."""

    def __init__(self, url: str, told: Callable[[Answered], None], seed: int | None = None) -> None:
        self.tally = Tally()
        self._url = f"{url}/v1/chat/completions"
        self._told = told
        self._random = random.Random(seed)  # noqa: S311 - no secret

    async def run(self, models: Sequence[str], bounds: Bounds) -> None:
        """Let one client a model talk until the bounds; a model's own requests come one after another."""
        until_s = time.monotonic() + bounds.seconds
        timeout = aiohttp.ClientTimeout(total=_ANSWER_WITHIN_S)
        async with aiohttp.ClientSession(timeout=timeout, trust_env=False) as http, asyncio.TaskGroup() as clients:
            for model in models:
                clients.create_task(self._talk(http, model, until_s, bounds.requests), name=f"client of {model}")

    async def _talk(self, http: aiohttp.ClientSession, model: str, until_s: float, most: int) -> None:
        while True:
            words, tokens, pause_s = self._random.choice(_KINDS)
            await asyncio.sleep(pause_s * self._random.uniform(0.5, 1.5))
            if time.monotonic() >= until_s or self.tally.requests >= most:
                return
            self.tally.requests += 1
            try:
                answered = await self._ask(http, model, words, tokens)
            except (aiohttp.ClientError, TimeoutError) as error:
                self.tally.failures += 1
                if self.tally.failures > 5:
                    raise RuntimeError(f"{self._url} failed again and again, last with {error!r}") from error
                continue
            self.tally.tokens += answered.tokens
            self._told(answered)

    async def _ask(self, http: aiohttp.ClientSession, model: str, words: int, tokens: int) -> Answered:
        body = {
            "model": model,
            "stream": True,
            "temperature": 0.9,
            "max_tokens": tokens,
            "messages": [{"role": "user", "content": prompt(self._random, words)}],
        }
        if self._random.random() < 0.5:
            # The candidates of each token: from them the tap takes entropy and certainty.
            body |= {"logprobs": True, "top_logprobs": 20}
        began_s = time.monotonic()
        first_s, count = 0.0, 0
        async with http.post(self._url, json=body) as answer:
            answer.raise_for_status()
            async for line in answer.content:
                if _says_something(line):
                    count += 1
                    first_s = first_s or time.monotonic()
        ended_s = time.monotonic()
        return Answered(model, count, ((first_s or ended_s) - began_s) * 1e3, ended_s - began_s)


def _says_something(line: bytes) -> bool:
    """Whether a line of the stream brings a token; the server sends one each."""
    if not line.startswith(b"data: {"):
        return False
    return any(choice.get("delta", {}).get("content") for choice in json.loads(line[6:]).get("choices", ()))
