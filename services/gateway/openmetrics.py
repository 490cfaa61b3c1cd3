"""`/metrics`: the newest values as text for Prometheus, from the catalogue's names and units.

Two formats, chosen by the Accept header: OpenMetrics names a counter's family without `_total`; the older
text format, which curl gets and `promtool check metrics` reads, with it.
Prometheus asks for base units, so each value is scaled as its catalogue entry says.
"""

import math
from collections.abc import Iterable
from typing import Protocol

from bus.catalogue import CUSTOM, Catalogue, Metric

OPENMETRICS_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"
TEXT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# Values older than this are left out: an absent series, not a frozen one (Prometheus' own staleness is 5 min).
STALE_AFTER_US = 300_000_000


class Point(Protocol):
    """The newest value of a series."""

    @property
    def metric(self) -> str: ...
    @property
    def source(self) -> str: ...
    @property
    def labels(self) -> tuple[tuple[str, str], ...]: ...
    @property
    def time_us(self) -> int: ...
    @property
    def value(self) -> float: ...


def render(points: Iterable[Point], catalogue: Catalogue, now_us: int, *, openmetrics: bool) -> str:
    """The whole text. Metrics outside the catalogue and absent or stale values are not in it.

    A field of `custom:NAME` whose name has dots, which no name of Prometheus has, stands in the label `field` as well:
    `a.b` and `a_b` would be one series.
    """
    families: dict[str, list[str]] = {}
    for point in sorted(points, key=lambda p: (p.metric, p.source, p.labels)):
        listed = catalogue.get(point.metric)
        if listed is None or math.isnan(point.value) or now_us - point.time_us > STALE_AFTER_US:
            continue
        name = listed.prometheus
        if name not in families:
            families[name] = [_head(name, listed, openmetrics)]
        labels = {"source": point.source, **dict(point.labels)}
        field = point.metric.partition(".")[2]
        if listed.group == CUSTOM and "." in field:
            labels["field"] = field
        text = ",".join(f'{key}="{_escape(value)}"' for key, value in labels.items())
        families[name].append(f"{name}{{{text}}} {_number(point.value * listed.scale)}\n")
    return "".join("".join(lines) for lines in families.values()) + "# EOF\n"


def _head(name: str, listed: Metric, openmetrics: bool) -> str:
    counter = listed.kind == "counter"
    family = name.removesuffix("_total") if counter and openmetrics else name
    help_ = listed.meaning.replace("\\", "\\\\").replace("\n", "\\n")
    if openmetrics:
        help_ = help_.replace('"', '\\"')
    return f"# HELP {family} {help_}\n# TYPE {family} {'counter' if counter else 'gauge'}\n"


def _number(value: float) -> str:
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return repr(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n").replace('"', '\\"')
