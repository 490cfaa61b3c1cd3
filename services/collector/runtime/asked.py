"""What the tap tells of requests to models: how many there were, and how long a load took that one of them waited for.

Heard in one thread, read in others. A model that the tap never saw is not known here: nothing is said of it.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from bus.model_names import plain_name, untagged

_MOST_MODELS = 512
_MOST_LOADS = 32


class Load(NamedTuple):
    """A request that waited for its model."""

    runtime: str
    from_s: float
    """When it was asked, by the monotonic clock."""
    load_ms: float


class Asked:
    """Requests by model; Ollama's `:latest` is the same model with and without."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._loads: dict[str, deque[Load]] = {}

    def hear(self, model: str, runtime: str, from_s: float, load_ms: float | None) -> None:
        """One request that ended; `load_ms`: as its runtime told, None where it did not."""
        name = _plain(model)
        # The newest at the end: what was not asked for longest is forgotten first.
        self._counts[name] = self._counts.pop(name, 0) + 1
        if load_ms is not None:
            loads = self._loads.setdefault(name, deque(maxlen=_MOST_LOADS))
            loads.append(Load(runtime, from_s, load_ms))
        if len(self._counts) > _MOST_MODELS:
            oldest = next(iter(self._counts))
            del self._counts[oldest]
            self._loads.pop(oldest, None)

    def count(self, model: str) -> int | None:
        """How many requests were heard of; None where there was none yet."""
        return self._counts.get(_plain(model))

    def load_ms(self, runtime: str, model: str, since_s: float, until_s: float) -> float | None:
        """How long a load took that began between two looks; None where no request that waited for it was heard of.

        Of several that waited, the one that was asked first: the others came while it was being loaded.
        """
        waited = [
            load
            for load in list(self._loads.get(_plain(model), ()))
            if load.runtime == runtime and load.from_s <= until_s and load.from_s + load.load_ms / 1000.0 >= since_s
        ]
        return min(waited, key=lambda load: load.from_s).load_ms if waited else None


def _plain(model: str) -> str:
    return untagged(plain_name(model))
