"""Sparklines: a minute of values in one line of block characters. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

BLOCKS = "▁▂▃▄▅▆▇█"


def sparkline(values: Sequence[float], top: float) -> str:
    """Return one character a value, on a scale from 0 to `top`; an absent value is a blank, never a low block."""
    return "".join(_block(value, top) for value in values)


def _block(value: float, top: float) -> str:
    if math.isnan(value):
        return " "
    if top <= 0:
        return BLOCKS[0]
    step = int(value / top * len(BLOCKS))
    return BLOCKS[min(max(step, 0), len(BLOCKS) - 1)]


def scale(values: Sequence[float], least: float) -> float:
    """Return the top of a scale that holds all values, in steps of 1, 2, 5 so that it rarely moves; `least` or more."""
    highest = max((value for value in values if not math.isnan(value)), default=0.0)
    if highest <= least:
        return least
    power = 10.0 ** math.floor(math.log10(highest))
    return next(step * power for step in (1.0, 2.0, 5.0, 10.0) if step * power >= highest)


def bar(share: float, width: int) -> str:
    """Return a share from 0 to 1 as a bar of `width` characters; absent is empty."""
    if math.isnan(share):
        return " " * width
    full = round(min(max(share, 0.0), 1.0) * width)
    return "█" * full + "░" * (width - full)
