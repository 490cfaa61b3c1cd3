"""What can be measured here, what cannot, why, and how to get it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from services.collector.sampler import Absent, Factory, Machine, Sampler

_FIRST_RETRY_S = 30.0
_LONGEST_RETRY_S = 600.0


@dataclass
class Entry:
    """One factory's place in the inventory."""

    subject: str
    factory: Factory
    sampler: Sampler | None = None
    reason: str = ""
    """Why it is absent; empty where it is there."""
    mend: str = ""
    retry_at_s: float = 0.0
    retry_after_s: float = _FIRST_RETRY_S


class Inventory:
    """Makes the samplers, and asks again for absent ones after 30 s, 60 s … 10 min."""

    def __init__(self, machine: Machine, factories: Iterable[tuple[str, Factory]]) -> None:
        self._machine = machine
        self.entries = [Entry(subject, factory) for subject, factory in factories]

    def probe(self, now_s: float, wanted: Callable[[str], bool]) -> list[Entry]:
        """Tries what is absent, switched on and due. Returns the entries that came."""
        came = []
        for entry in self.entries:
            if entry.sampler is not None or now_s < entry.retry_at_s or not wanted(entry.subject):
                continue
            try:
                entry.sampler = entry.factory(self._machine)
            except Absent as absent:
                entry.reason, entry.mend = absent.reason, absent.mend
            except Exception as error:  # a third party's factory
                entry.reason, entry.mend = f"{type(error).__name__}: {error}", "This is a fault of the sampler"
            else:
                entry.reason = entry.mend = ""
                entry.retry_after_s = _FIRST_RETRY_S
                came.append(entry)
                continue
            entry.retry_at_s = now_s + entry.retry_after_s
            entry.retry_after_s = min(2.0 * entry.retry_after_s, _LONGEST_RETRY_S)
        return came

    def release(self, sampler: Sampler) -> None:
        """Forgets a sampler; it is made anew when its subject is wanted again."""
        for entry in self.entries:
            if entry.sampler is sampler:
                entry.sampler, entry.retry_at_s = None, 0.0

    def describe(self) -> dict[str, str]:
        """Subject → "there", "there: <what>", "off" or "absent: <reason>. <mend>"."""
        told: dict[str, str] = {}
        for entry in self.entries:
            if entry.sampler is not None:
                detail = getattr(entry.sampler, "detail", "")
                told[entry.subject] = f"there: {detail}" if detail else "there"
            elif entry.reason and not told.get(entry.subject, "").startswith("there"):
                told.setdefault(entry.subject, f"absent: {entry.reason}. {entry.mend}".strip())
            else:
                told.setdefault(entry.subject, "off")
        return told
