"""What happened to a runtime: it came, models were loaded and unloaded, it went. Told as events."""

from __future__ import annotations

from collections.abc import Callable

from services.collector.runtime.asked import Asked
from services.collector.runtime.reading import Model, Reading

_GIB = 1024.0**3
# A request that waited for its model tells so at its end.
_TIME_COMES_S = 3600.0


class History:
    """Compares each reading with the one before. Time comes in."""

    def __init__(
        self,
        runtime: str,
        port: int,
        event: Callable[..., None],
        new: bool = False,
        began_s: float | None = None,
        asked: Asked | None = None,
    ) -> None:
        """`new`: what it has at the first reading was loaded since we look. `began_s`: when its process began, by the
        monotonic clock; None where that is not known, or says nothing of when its models were loaded.
        """
        self._runtime, self._port = runtime, port
        self._new, self._began_s = new, began_s
        self._asked = asked or Asked()
        self._event = event
        self._before: Reading | None = None
        self._before_s = began_s
        """When it had no model yet, or was looked at last."""
        self._loading: dict[str, tuple[float, bool]] = {}
        """Model → since when it is being loaded, and whether the beginning was seen."""
        self._told: dict[str, dict[str, str]] = {}
        self._untimed: dict[str, tuple[float, float]] = {}
        """Model → the looks between which it was loaded, while how long that took may still be heard of."""

    def observe(self, reading: Reading, now_s: float) -> None:
        """A new reading."""
        before, self._before = self._before, reading
        if before is None:
            version = f" {reading.version}" if reading.version else ""
            title = f"{self._runtime}{version} answers at port {self._port}"
            self._tell("runtime_come", "system", title, version=reading.version)
        if not reading.loads:
            return
        for name in reading.loading:
            self._loading.setdefault(name, (now_s, before is not None))
        awake = _awake(reading)
        had = _awake(before) if before else {}
        for name, model in awake.items():
            if name not in had and (before is not None or self._new):
                self._loaded(model, before, now_s)
            elif self._told.get(name) != model.info:
                self._inform(model)
        for name in had.keys() - awake.keys():
            asleep = name in reading.models
            title = f"{name} fell asleep and left the memory" if asleep else f"{name} was unloaded"
            self._tell("model_unload", f"model:{name}", title, reason="sleep" if asleep else "")
        self._loading = {name: since for name, since in self._loading.items() if name in reading.loading}
        self._time_late(now_s)
        self._before_s = now_s

    def ended(self) -> None:
        """Nothing listens at its port any more."""
        if self._before is None:
            return
        for name in _awake(self._before) if self._before.loads else ():
            self._tell("model_unload", f"model:{name}", f"{name} went with {self._runtime}", reason="runtime_gone")
        self._tell("runtime_gone", "system", f"{self._runtime} at port {self._port} is gone")
        self._before = None

    def _began(self, name: str) -> tuple[float, bool] | None:
        """A server of one model does not name it while it loads."""
        return self._loading.get(name) or self._loading.get("")

    def _loaded(self, model: Model, before: Reading | None, now_s: float) -> None:
        began = self._began(model.name)
        extra = dict(model.info)
        title = f"{model.name} was loaded"
        since_s = now_s if self._before_s is None else self._before_s
        if began is not None and began[1]:
            load_ms: float | None = 1000.0 * (now_s - began[0])
        else:
            load_ms = self._asked.load_ms(self._runtime, model.name, since_s, now_s)
        if load_ms is not None:
            title += f" in {load_ms / 1000.0:.1f} s"
            extra["load_ms"] = f"{load_ms:.0f}"
        else:
            self._untimed[model.name] = since_s, now_s
            if began is not None:
                extra["load_ms_at_least"] = f"{1000.0 * (now_s - began[0]):.0f}"
            if self._new and self._began_s is not None and (before is None or began is not None):
                extra["load_ms_at_most"] = f"{1000.0 * (now_s - self._began_s):.0f}"
                title += f" within {now_s - self._began_s:.1f} s of the start of {self._runtime}"
        if before is not None and model.name in before.models:
            extra["reason"] = "wake"
        self._told[model.name] = model.info
        self._tell("model_load", f"model:{model.name}", title, **extra)

    def _time_late(self, now_s: float) -> None:
        """How long a load took that was told of before anybody knew."""
        for name, (since_s, until_s) in list(self._untimed.items()):
            load_ms = self._asked.load_ms(self._runtime, name, since_s, until_s)
            if load_ms is not None:
                title = f"Loading {name} took {load_ms / 1000.0:.1f} s"
                self._tell("model_load_time", f"model:{name}", title, load_ms=f"{load_ms:.0f}")
            if load_ms is not None or now_s - until_s > _TIME_COMES_S:
                del self._untimed[name]

    def _inform(self, model: Model) -> None:
        """What is known of a model that was there before us, or that changed."""
        self._told[model.name] = model.info
        if model.info:
            known = ", ".join(_words(model.info))
            self._tell("model_info", f"model:{model.name}", f"{model.name}: {known}", **model.info)

    def _tell(self, kind: str, source: str, title: str, **attributes: str) -> None:
        told = {name: value for name, value in attributes.items() if value}
        self._event(kind, source, title, runtime=self._runtime, port=str(self._port), **told)


def _awake(reading: Reading) -> dict[str, Model]:
    return {name: model for name, model in reading.models.items() if not model.asleep}


def _words(info: dict[str, str]) -> list[str]:
    words = []
    for name, value in info.items():
        if name == "size_bytes":
            words.append(_amount(float(value), (_GIB, "GiB"), (1024.0**2, "MiB")))
        elif name == "context_length":
            words.append(f"context of {value} tokens")
        elif name == "parameters":
            words.append(
                f"{_amount(float(value), (1e9, 'billion'), (1e6, 'million')) if value.isdigit() else value} parameters"
            )
        elif name == "quantisation":
            words.append(value)
    return words or [f"{name} {value}" for name, value in info.items()]


def _amount(value: float, large: tuple[float, str], small: tuple[float, str]) -> str:
    unit, word = large if value >= large[0] else small
    return f"{value / unit:.1f} {word}"
