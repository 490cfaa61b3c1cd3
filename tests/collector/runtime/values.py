"""Shorthand for reading what a look found."""

from __future__ import annotations

from bus.catalogue import catalogue
from services.collector.runtime.reading import Reading


def told(reading: Reading, model: str = "") -> dict[str, float]:
    """`{"tps[type=total]": 45.0}` of one model, its runtime's label left out."""
    name = model or next(iter(reading.models))
    values = {}
    for series, value in reading.models[name].values.items():
        assert set(dict(series.labels)) <= set(catalogue()[series.metric].labels)
        assert series.source == f"model:{name}"
        assert dict(series.labels)["runtime"] == reading.runtime
        labels = "".join(f"[{label}={text}]" for label, text in series.labels if label != "runtime")
        values[series.metric.removeprefix("model.") + labels] = value
    return values
