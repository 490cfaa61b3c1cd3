"""The metric catalogue: every metric once, read from `catalogue.toml` and checked (CONTRACTS §1, §11).

>>> catalogue()["system.cpu.percent"].unit
'percent'
>>> catalogue().resolve("gpu_memory_mb", source="gpu:0")
Resolved(metric=Metric(name='gpu.mem_used_bytes', …), scale=1048576.0)
"""

from __future__ import annotations

import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, lru_cache
from importlib import resources
from typing import Any, NamedTuple

KINDS = frozenset({"gauge", "counter", "event", "distribution"})
RATES = frozenset({"render", "resource", "trend"})
MIB = 1024.0 * 1024.0

CUSTOM = "custom"

_NAME = re.compile(r"[a-z]+(\.[a-z][a-z0-9_]*)+")
_CUSTOM = re.compile(r"custom\.[a-z][a-z0-9_]*(\.[a-z0-9_]+)*")
# Of the longest field's name that another program may send.
FIELD_LETTERS = 80
_LONGEST = len(f"{CUSTOM}.") + FIELD_LETTERS
# As many as all sources of ingest have series: a scrape asks for each in the order of their names, and a cache of
# fewer would have dropped each before its turn comes again. Full it holds 4 MB.
_CUSTOM_KEPT = 8192
_PROMETHEUS = re.compile(r"wfmonitor_[a-z0-9]+(_[a-z0-9]+)*")
_OTEL = re.compile(r"[a-z]+(\.[a-z0-9_]+)+")


class CatalogueError(ValueError):
    """The catalogue file contradicts itself: names the metric, the field and the mend."""


class UnknownMetric(LookupError):
    """No metric of this name; `nearest` is the closest known name, or empty."""

    def __init__(self, name: str, nearest: str) -> None:
        self.name = name
        self.nearest = nearest
        hint = f'; did you mean "{nearest}"?' if nearest else "; `wfmon query --list` shows them all"
        super().__init__(f'unknown metric "{name}"{hint}')


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """One metric: what its numbers mean, how often they come and who may keep them."""

    name: str
    unit: str
    kind: str
    rate: str
    privacy: str
    meaning: str
    otel: str
    prometheus: str
    scale: float = 1.0
    aliases: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    least: float | None = None
    most: float | None = None

    @property
    def range(self) -> tuple[float, float]:
        """The least and the most it can be, in its unit: 0 (a temperature: none) and, of a percentage, 100, unless its
        entry says otherwise.
        """
        least = -math.inf if self.unit == "°C" else 0.0
        most = 100.0 if self.unit == "percent" else math.inf
        return (least if self.least is None else self.least, most if self.most is None else self.most)

    @property
    def group(self) -> str:
        """The class it belongs to: the part before the first dot ("system", "gpu" …)."""
        return self.name.partition(".")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Privacy:
    """Defaults of one privacy class (CONTRACTS §11): on, off, never, or "numbers" (without names); and the key of the
    setting that records it.
    """

    name: str
    meaning: str
    shown: str
    recorded: str
    shared: str
    switch: str


class Resolved(NamedTuple):
    """A metric found under a name of the input, and the factor to its unit (1048576 for MiB)."""

    metric: Metric
    scale: float


def custom_metric(name: str) -> Metric | None:
    """What a program sends of itself as field of `custom:NAME` (CONTRACTS §1); None where no field is called so.

    Nobody declared it, so it has no unit, may be any number, and is measured whenever it comes.
    """
    # Most that are asked for are declared ones: they are no business of the cache, nor is a text of any length.
    return _custom(name) if name.startswith(f"{CUSTOM}.") and len(name) <= _LONGEST else None


@lru_cache(_CUSTOM_KEPT)
def _custom(name: str) -> Metric | None:
    if not _CUSTOM.fullmatch(name):
        return None
    return Metric(
        name=name,
        unit="1",
        kind="gauge",
        rate="trend",
        privacy=CUSTOM,
        meaning="what another program sent of itself as custom:NAME",
        otel=name,
        prometheus=f"wfmonitor_{name.replace('.', '_')}",
        least=-math.inf,
    )


class Catalogue(Mapping[str, Metric]):
    """All metrics by name. A mapping that never changes; a wrong key raises `UnknownMetric`.

    It lists what is declared, and knows a `custom_metric` besides when it is asked by name.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        """Check a parsed catalogue file. Raises `CatalogueError` with the first contradiction."""
        self.labels: dict[str, str] = dict(document["labels"])
        self.classes: dict[str, str] = dict(document["classes"])
        self.privacy = {name: Privacy(name=name, **row) for name, row in document["privacy"].items()}
        self._metrics: dict[str, Metric] = {}
        self._names: dict[str, Metric] = {}
        prometheus: dict[str, str] = {}
        for name, row in document["metric"].items():
            metric = _metric(name, row)
            self._check(metric)
            if metric.prometheus in prometheus:
                raise CatalogueError(
                    f"{name}: prometheus name {metric.prometheus} belongs to {prometheus[metric.prometheus]}"
                )
            prometheus[metric.prometheus] = name
            self._metrics[name] = metric
            for known in (name, *metric.aliases):
                if known in self._names:
                    raise CatalogueError(f"{name}: {known} already names {self._names[known].name}")
                self._names[known] = metric

    def _check(self, metric: Metric) -> None:
        faults = (
            (_NAME.fullmatch(metric.name), "name is <class>.<field> in lower case"),
            (metric.group in self.classes, f"class is one of {sorted(self.classes)}"),
            (metric.kind in KINDS, f"kind is one of {sorted(KINDS)}"),
            (metric.rate in RATES, f"rate is one of {sorted(RATES)}"),
            (metric.privacy in self.privacy, f"privacy is one of {sorted(self.privacy)}"),
            (set(metric.labels) <= set(self.labels), f"labels are among {sorted(self.labels)}"),
            (tuple(sorted(metric.labels)) == metric.labels, "labels are sorted by name"),
            (metric.meaning and "\n" not in metric.meaning, "meaning is one line"),
            (metric.unit, "unit is not empty (1 for a plain ratio)"),
            (metric.scale > 0, "scale is above 0"),
            (metric.range[0] < metric.range[1], "least is below most"),
            (_OTEL.fullmatch(metric.otel), "otel is a dotted lower-case name"),
            (_PROMETHEUS.fullmatch(metric.prometheus), "prometheus is wfmonitor_… in lower case"),
            (
                (metric.kind == "counter") == metric.prometheus.endswith("_total"),
                "prometheus ends in _total exactly for counters",
            ),
        )
        for holds, rule in faults:
            if not holds:
                raise CatalogueError(f"{metric.name}: {rule}")

    def __getitem__(self, name: str) -> Metric:
        """The metric of exactly this name; `UnknownMetric` (a LookupError) otherwise."""
        metric: Metric | None = self.get(name)
        if metric is None:
            raise UnknownMetric(name, self.nearest(name))
        return metric

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.get(name) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The metric of exactly this name, or the default."""
        return self._metrics.get(name) or custom_metric(name) or default

    def __iter__(self) -> Iterator[str]:
        return iter(self._metrics)

    def __len__(self) -> int:
        return len(self._metrics)

    def resolve(self, name: str, source: str = "") -> Resolved:
        """The metric that an input means by a name, an alias, or a bare field of its source's class.

        `tps` of source `model:x` is `model.tps`; a name in `_mb` is in MiB, its factor is 1048576
        (CONTRACTS §1). Raises `UnknownMetric` with the nearest name.
        """
        group = source.partition(":")[0]
        for known in (name, f"{group}.{name}"):
            # A program may call a field of its own like anything in the catalogue.
            metric = custom_metric(known) or (self._names.get(known) if group != CUSTOM else None)
            if metric is not None:
                in_mib = known != metric.name and known.endswith("_mb")
                return Resolved(metric, MIB if in_mib else 1.0)
        raise UnknownMetric(name, self.nearest(f"{group}.{name}" if group else name))

    def nearest(self, name: str) -> str:
        """The known name most like this one, or "" where none is like it."""
        import difflib  # only errors need it; it is not worth every service's memory

        found = difflib.get_close_matches(name, self._names, n=1, cutoff=0.5)
        return self._names[found[0]].name if found else ""


def _metric(name: str, row: Mapping[str, Any]) -> Metric:
    known = {field.name for field in fields(Metric)}
    for key in row:
        if key not in known or key == "name":
            raise CatalogueError(f"{name}: unknown field {key}; fields are {sorted(known - {'name'})}")
    values: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in row.items()}
    try:
        return Metric(name=name, **values)
    except TypeError as error:
        raise CatalogueError(f"{name}: {str(error).partition('() ')[2] or error}") from None


@cache
def catalogue() -> Catalogue:
    """The catalogue of this installation, read and checked once a process."""
    text = resources.files("bus").joinpath("catalogue.toml").read_text(encoding="utf-8")
    return Catalogue(tomllib.loads(text))
