"""Whether a number that came from outside can be what its metric is: the ranges of the catalogue. Pure."""

import math

from bus.catalogue import Metric


def why_impossible(value: float, metric: Metric) -> str:
    """A sentence that says what would be possible; "" where `value`, in the metric's unit, is."""
    if not math.isfinite(value):
        return f"in {metric.unit} it is no finite number."
    least, most = metric.range
    if least <= value <= most:
        return ""
    bounds = [f"at least {least:g}"] * math.isfinite(least) + [f"at most {most:g}"] * math.isfinite(most)
    return f"{value:g} {metric.unit} is outside what {metric.name} can be: {' and '.join(bounds)}."
