"""When a service that ended is started again. Pure: time comes in as an argument.

The first start is at once; each quick end doubles the wait up to a bound, and it never gives up. A service
that had come up and ran is started again at once, however often that happens: somebody needs it back.
"""

from collections import deque
from dataclasses import dataclass, field

FIRST_WAIT_S = 0.1
LONGEST_WAIT_S = 30.0
# All are ready within 3 s of their start: who ends later than this did not fail to start.
STEADY_AFTER_S = 5.0
# From so many ends within so long on, the events ask for a person: it will not mend itself.
ASK_AFTER = 5
ASK_WITHIN_S = 60.0


@dataclass
class _Service:
    quick_ends: int = 0
    restarts: int = 0
    started_s: float | None = None
    ended_s: deque[float] = field(default_factory=lambda: deque(maxlen=ASK_AFTER))


@dataclass
class BackOff:
    """Keeps, for each service, how often it ended quickly and when it is due."""

    due_s: dict[str, float] = field(default_factory=dict)
    _services: dict[str, _Service] = field(default_factory=dict)

    def started(self, name: str, now_s: float) -> None:
        self._services.setdefault(name, _Service()).started_s = now_s
        self.due_s.pop(name, None)

    def ended(self, name: str, now_s: float) -> float:
        """Notes an end and returns how long to wait, in seconds, until the next start."""
        service = self._services.setdefault(name, _Service())
        if service.started_s is not None and now_s - service.started_s >= STEADY_AFTER_S:
            service.quick_ends = 0
        service.started_s = None
        service.ended_s.append(now_s)
        service.restarts += 1
        service.quick_ends += 1
        wait_s = min(FIRST_WAIT_S * 2.0 ** (service.quick_ends - 1), LONGEST_WAIT_S)
        self.due_s[name] = now_s + wait_s
        return wait_s

    def stopped(self, name: str) -> None:
        """A person stopped it: it is not started again."""
        self.due_s.pop(name, None)

    def asks_for_help(self, name: str) -> bool:
        """Whether it keeps ending: at its start again and again, or a little later each time."""
        service = self._services.setdefault(name, _Service())
        ended_s = service.ended_s
        often = len(ended_s) == ASK_AFTER and ended_s[-1] - ended_s[0] <= ASK_WITHIN_S
        return often or service.quick_ends >= ASK_AFTER

    def restarts(self, name: str) -> int:
        return self._services.setdefault(name, _Service()).restarts

    def due(self, now_s: float) -> list[str]:
        return sorted(name for name, at_s in self.due_s.items() if at_s <= now_s)

    def wait_s(self, now_s: float, longest_s: float) -> float:
        """Seconds until the next start is due, at most `longest_s`."""
        return max(0.0, min([longest_s, *(at_s - now_s for at_s in self.due_s.values())]))
