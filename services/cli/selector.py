"""What a person types to name a metric: `gpu.util_percent[gpu:1].p95`, `system.cpu.core_percent[core=3]`.

A bracket with `=` names a label, one without a source (CONTRACTS §1). It may stand before or after the
statistic.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bus.catalogue import Metric, UnknownMetric, catalogue

STATS = (
    "avg", "min", "max", "sum", "count", "last", "p50", "p90", "p95", "p98", "p99", "rate", "derivative", "stddev",
)  # fmt: skip
_BRACKET = re.compile(r"\[([^\[\]]*)\]")


@dataclass(frozen=True, slots=True)
class Selection:
    """A metric of the catalogue, a statistic ("" where none was named), and what narrows it."""

    metric: Metric
    stat: str
    source: str
    labels: tuple[tuple[str, str], ...]


def parse(text: str) -> Selection:
    """Return what `text` names. Raises ValueError that names the part at fault and the nearest known metric."""
    source, labels = "", []
    for inside in _BRACKET.findall(text):
        name, equals, value = inside.partition("=")
        if equals:
            labels.append((name.strip(), value.strip()))
        elif source:
            raise ValueError(f"{text!r} names two sources, [{source}] and [{inside}]; one is possible")
        else:
            source = inside.strip()
    name = _BRACKET.sub("", text)
    head, _, last = name.rpartition(".")
    # A field that a program calls `temp.max` is named with a statistic behind it: custom.temp.max.last
    if last in STATS and (_known(head) or not _known(name)):
        name, stat = head, last
    else:
        stat = ""
    try:
        metric = catalogue().resolve(name, source=source).metric
    except UnknownMetric as error:
        if _known(head):
            raise ValueError(f'{last!r} is no statistic of "{head}"; known are: {" ".join(STATS)}') from None
        raise ValueError(str(error)) from None
    if unknown := [label for label, _ in labels if label not in metric.labels]:
        has = ", ".join(metric.labels) or "none"
        raise ValueError(f"{metric.name} has no label {unknown[0]!r}; it has: {has}")
    return Selection(metric, stat, source, tuple(labels))


def _known(name: str) -> bool:
    return name in catalogue()
