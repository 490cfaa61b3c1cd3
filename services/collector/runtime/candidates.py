"""A port at which a runtime may listen, and what its first answer says about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from bus.unreadable import UNREADABLE
from services.collector.runtime.door import Answer, Door


@dataclass(frozen=True)
class Candidate:
    """Where to ask."""

    port: int
    host: str = "127.0.0.1"
    pid: int = 0
    """The process that listens; 0 where it cannot be seen (another user's, or in a container)."""
    hint: str = ""
    """The runtime that the process' name suggests."""
    flags: Mapping[str, bool] | None = field(default=None, compare=False)
    """Which of the flags in `processes.FLAGS` it was started with; None where that cannot be seen."""

    began_s: float | None = field(default=None, compare=False)
    """When its process began, by the monotonic clock; None where that cannot be seen."""

    def argument(self, flag: str) -> bool | None:
        """Whether it was started with this flag; None where that cannot be seen."""
        return None if self.flags is None else self.flags.get(flag, False)


class _Owned(msgspec.Struct):
    id: str = ""
    owned_by: str = ""


class _List(msgspec.Struct):
    data: list[_Owned] = []


@dataclass(frozen=True)
class First:
    """The answer to `/v1/models`: a list that all runtimes give, and that none computes anything for."""

    answer: Answer
    owners: frozenset[str] = frozenset()
    models: tuple[str, ...] = ()


def ask_first(door: Door) -> First:
    """Raises as `Door.get` does."""
    answer = door.get("/v1/models")
    try:
        listed = msgspec.json.decode(answer.body, type=_List).data if answer.good else []
    except UNREADABLE:
        listed = []
    return First(answer, frozenset(one.owned_by for one in listed), tuple(one.id for one in listed))
