"""A model that nobody uses and that holds GPU memory: pointed out once, until it is used again. Pure; time comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

from services.collector.runtime.reading import Model

_GIB = 1024.0**3
# Less than this is not worth a word.
LEAST_BYTES = 256 * 1024 * 1024


class Held(NamedTuple):
    """A model that is there now."""

    runtime: str
    model: Model
    bytes: float
    """GPU memory it holds; 0 where that is not known."""
    asked: int | None = None
    """How many requests the tap told of; None where it told of none."""
    busy: bool = False
    """Whether its processes compute on a GPU right now."""


@dataclass
class _Seen:
    used: object
    since_s: float
    told: bool = False


class Idleness:
    """Since when each model has not been used, as its runtime says, or else the tap.

    Where neither knows, nothing is said: a request that went past the tap would not have been seen.
    """

    def __init__(self, event: Callable[..., None], after_s: Callable[[], float]) -> None:
        self._event, self._after_s = event, after_s
        self._seen: dict[tuple[str, str], _Seen] = {}

    def observe(self, models: Iterable[Held], now_s: float) -> None:
        """All models there are now."""
        seen: dict[tuple[str, str], _Seen] = {}
        after_s = self._after_s()
        for held in models:
            model = held.model
            if model.asleep or (model.used is None and held.asked is None):
                continue
            place = held.runtime, model.name
            used = model.used, held.asked
            known = self._seen.get(place)
            if known is None or known.used != used or held.busy:
                known = _Seen(used, now_s)
            seen[place] = known
            idle_s = now_s - known.since_s
            if held.bytes >= LEAST_BYTES and idle_s >= after_s > 0.0 and not known.told:
                known.told = True
                self._tell(held, idle_s)
        self._seen = seen

    def _tell(self, held: Held, idle_s: float) -> None:
        name, minutes = held.model.name, f"{idle_s / 60.0:.0f} min"
        how = f"was not used for {minutes}"
        if held.model.used is None:
            how = f"had no request through the tap for {minutes}"
        self._event(
            "model_idle",
            f"model:{name}",
            f"{name} holds {held.bytes / _GIB:.1f} GiB of GPU memory and {how}",
            runtime=held.runtime,
            vram_bytes=f"{held.bytes:.0f}",
            idle_s=f"{idle_s:.0f}",
        )
