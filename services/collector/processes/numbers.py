"""A number for each name, so that a process can be followed on disk without its name (CONTRACTS §11)."""

from __future__ import annotations

import secrets

_RANGE = 10_000_000


class Numbers:
    """name → number, the same as long as the collector lives.

    The numbers are drawn, not counted and not hashed: nothing on disk leads from one back to a name,
    and after a restart no number stands for another program than before.
    """

    def __init__(self) -> None:
        self._by_name: dict[str, int] = {}
        self._taken: set[int] = set()

    def of(self, name: str) -> int:
        """The number of a name, drawn at its first use; 1 … 9,999,999."""
        number = self._by_name.get(name)
        if number is None:
            number = 1 + secrets.randbelow(_RANGE - 1)
            while number in self._taken:
                number = 1 + secrets.randbelow(_RANGE - 1)
            self._by_name[name] = number
            self._taken.add(number)
        return number
