"""The points of a request that were not taken, as the protocol's partial success tells them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from services.gateway.otlp.shapes import label

_LONGEST_MESSAGE = 1000


@dataclass(slots=True)
class Rejected:
    """Points that were not taken, by the name of their metric and why."""

    reasons: Counter[tuple[str, str]] = field(default_factory=Counter)

    def add(self, name: str, why: str, count: int = 1) -> None:
        """Counts points."""
        self.reasons[name, why] += count

    @property
    def points(self) -> int:
        """How many."""
        return self.reasons.total()

    def message(self) -> str:
        """For a person: the names and reasons that weigh most, as many as fit; "" where all were taken."""
        text = ""
        for (name, why), count in self.reasons.most_common():
            part = f"{label(name)} ({count}): {why}"
            if len(text) + len(part) > _LONGEST_MESSAGE:
                return f"{text}; and more"
            text = f"{text}; {part}" if text else part
        return text
