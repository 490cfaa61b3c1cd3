"""What a rule is: from a name of a convention to a metric of the catalogue (rules: genai.py and machine.py)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

from services.gateway.otlp.points import Attributes

LONGEST_LABEL = 80
# What stands in brackets, or on a line of its own, may not end either.
_UNSAFE = str.maketrans({chr(code): "_" for code in (*range(32), 0x7F, ord("["), ord("]"))})


class As(Enum):
    """What becomes of a value."""

    LEVEL = "level"  # a gauge, told as it is
    RATE = "rate"  # what a sum, or the sum of a distribution, grew a second
    TOTAL = "total"  # what it grew since the gateway began to listen
    COUNT = "count"  # how many values a distribution counted since then
    TIMES = "times"  # mean and quantiles of what a distribution counted since its last point


@dataclass(frozen=True, slots=True)
class Rule:
    """One metric that a name of a convention feeds."""

    metric: str
    how: As
    unit: str
    """The convention's unit."""
    factor: float = 1.0
    """From the convention's unit to the catalogue's."""
    when: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Attributes (canonical names) and the values one of which each must have."""
    without: frozenset[str] = frozenset()
    """Attributes that must be absent."""
    needs: frozenset[str] = frozenset()
    """Attributes that must be there, whatever they say."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Label of the catalogue → attribute that gives its value; without it the rule does not fit."""
    fixed: tuple[tuple[str, str], ...] = ()
    """Labels with a value of their own."""
    rest: bool = False
    """The value is 1 − what was told (idle time → busy time)."""

    def fits(self, attributes: Attributes) -> bool:
        """Whether a point with these attributes feeds the metric."""
        return (
            all(attributes.get(name) in values for name, values in self.when.items())
            and not (self.without & attributes.keys())
            and self.needs <= attributes.keys()
            and all(name in attributes for name in self.labels.values())
        )


def one_of(*values: str) -> frozenset[str]:
    """Values of an attribute."""
    return frozenset(values)


def canonical(attributes: Attributes, aliases: Mapping[str, str]) -> Attributes:
    """Attributes under one spelling; where several say the same, the one that needs no alias wins."""
    found = {aliases[name]: value for name, value in attributes.items() if name in aliases}
    return found | {name: value for name, value in attributes.items() if name not in aliases}


def label(text: str) -> str:
    """A text of a sender as a label's value: bounded, without what ends a bracket or a line."""
    return text.translate(_UNSAFE)[:LONGEST_LABEL]
