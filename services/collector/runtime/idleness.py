"""A model that nobody uses and that holds GPU memory: pointed out once, until it is used again. Pure; time comes in."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.collector.runtime.reading import Model

_GIB = 1024.0**3
# Less than this is not worth a word.
LEAST_BYTES = 256 * 1024 * 1024


@dataclass
class _Seen:
    used: object
    since_s: float
    told: bool = False


class Idleness:
    """Since when each model has not been used."""

    def __init__(self, event: Callable[..., None], after_s: Callable[[], float]) -> None:
        self._event, self._after_s = event, after_s
        self._seen: dict[tuple[str, str], _Seen] = {}

    def observe(self, models: Iterable[tuple[str, Model, float]], now_s: float) -> None:
        """(runtime, model, bytes of GPU memory it holds) of all models there are now."""
        seen: dict[tuple[str, str], _Seen] = {}
        after_s = self._after_s()
        for runtime, model, held in models:
            if model.asleep or model.used is None:
                continue
            place = runtime, model.name
            known = self._seen.get(place)
            if known is None or known.used != model.used:
                known = _Seen(model.used, now_s)
            seen[place] = known
            idle_s = now_s - known.since_s
            if held >= LEAST_BYTES and idle_s >= after_s > 0.0 and not known.told:
                known.told = True
                self._tell(runtime, model.name, held, idle_s)
        self._seen = seen

    def _tell(self, runtime: str, name: str, held: float, idle_s: float) -> None:
        title = f"{name} holds {held / _GIB:.1f} GiB of GPU memory and was not used for {idle_s / 60.0:.0f} min"
        self._event(
            "model_idle",
            f"model:{name}",
            title,
            runtime=runtime,
            vram_bytes=f"{held:.0f}",
            idle_s=f"{idle_s:.0f}",
        )
