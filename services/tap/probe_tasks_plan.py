"""Which probe task is due for which model: bounded a day, in rounds, each model through all tasks in turn. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

# So many tasks of a model at a time, then it has an hour of rest: a fan that starts at each pause would be noticed.
ROUND = 10
REST_S = 3600.0
MOST_MODELS = 200


@dataclass(slots=True)
class Plan:
    """`day` and `ran` bound what runs in a day over all restarts; `state` and `from_state` keep them."""

    day: int = 0
    ran: int = 0
    turns: dict[str, int] = field(default_factory=dict)
    """Model → tasks it has had in all."""
    _rests_until_s: dict[str, float] = field(default_factory=dict)

    def due(self, loaded: Collection[str], now_s: float, day: int, a_day: int) -> tuple[str, int] | None:
        """(model, number of its task, counted on for ever); None: nothing is due. `now_s` is monotonic."""
        if day != self.day:
            self.day, self.ran = day, 0
        if self.ran >= a_day:
            return None
        awake = [model for model in sorted(loaded) if self._rests_until_s.get(model, now_s) <= now_s]
        if not awake:
            return None
        model = min(awake, key=lambda name: self.turns.get(name, 0))
        return model, self.turns.get(model, 0)

    def began(self, model: str, now_s: float) -> None:
        """Its task is sent: it counts, whatever becomes of it."""
        self.ran += 1
        self.turns[model] = self.turns.pop(model, 0) + 1
        if self.turns[model] % ROUND == 0:
            self._rests_until_s[model] = now_s + REST_S
        while len(self.turns) > MOST_MODELS:
            forgotten = next(iter(self.turns))
            del self.turns[forgotten]
            self._rests_until_s.pop(forgotten, None)

    def state(self) -> dict[str, Any]:
        """What is to be kept over a restart."""
        return {"day": self.day, "ran": self.ran, "turns": self.turns}

    @classmethod
    def from_state(cls, state: Any) -> Plan:
        """The plan of `state`; a fresh one where that is none."""
        try:
            turns = {str(model): int(turn) for model, turn in dict(state["turns"]).items()}
            return cls(int(state["day"]), int(state["ran"]), turns)
        except (KeyError, TypeError, ValueError):
            return cls()
