"""Events: those of late in memory, as they came; all others as they were kept (CONTRACTS §11 shown, recorded)."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable

from wfmonitor.v1.event_pb2 import Event

# A spike with its processes is 1 to 2 kB: 1 MB at most.
IN_MEMORY = 512
Kept = Callable[[int, int, str, int], Awaitable[list[Event]]]  # (start, end], kind, limit; oldest first


class EventMemory:
    """The newest events by id. Some are told several times, so that who was away hears them as well."""

    def __init__(self, most: int = IN_MEMORY) -> None:
        self._most = most
        self._events: OrderedDict[str, Event] = OrderedDict()

    def take(self, event: Event) -> bool:
        """Remembers an event; False where it is known already, or has no id to tell by."""
        if not event.id or event.id in self._events:
            return False
        self._events[event.id] = event
        if len(self._events) > self._most:
            self._events.popitem(last=False)
        return True

    def between(self, start_us: int, end_us: int, kind: str = "") -> list[Event]:
        """Events in (start, end], oldest first."""
        found = [e for e in self._events.values() if start_us < e.time_us <= end_us and kind in ("", e.kind)]
        return sorted(found, key=lambda event: event.time_us)

    async def joined(self, kept: Kept, start_us: int, end_us: int, kind: str, limit: int) -> list[Event]:
        """With those that were kept, the newest `limit` of them; memory's own where both have one.

        What is kept has no names of processes unless it was agreed to; what is in memory is what was shown.
        """
        by_id = {event.id: event for event in await kept(start_us, end_us, kind, limit)}
        by_id.update((event.id, event) for event in self.between(start_us, end_us, kind))
        return sorted(by_id.values(), key=lambda event: (event.time_us, event.id))[-limit:]
