"""Numbers of a file of /proc by the names before them; where each stands is looked up only when words moved. Pure.

The file is cut into words once, and the wanted ones are picked, compared and made numbers by three calls into C:
0.1 µs a number, where a search for each line costs 0.8.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import itemgetter

_NOWHERE = b"nan"
_Pick = Callable[[list[bytes]], tuple[bytes, ...]]


class NamedNumbers:
    """The numbers after some names, e.g. after `b"pgfault"` of /proc/vmstat or `b"MemFree:"` of /proc/meminfo."""

    def __init__(self, counts: Mapping[bytes, int]) -> None:
        """`counts` says how many numbers are wanted after each name; a name stands in the text once."""
        self._counts = counts
        self._words = -1
        self._expected: tuple[bytes, ...] = ()
        self._pick_names: _Pick = itemgetter(0, 0)
        self._pick_numbers: _Pick = itemgetter(0, 0)

    def read(self, data: bytes) -> list[float]:
        """The numbers as they stand in the text, flat, in the order of `counts`; NaN where a name is nowhere.

        A name that was nowhere is looked for again when the text has more or fewer words than before.
        """
        words = data.split()
        words.append(_NOWHERE)  # what is nowhere is picked here
        if len(words) != self._words or self._pick_names(words) != self._expected:
            self._find(words)
        numbers = list(map(float, self._pick_numbers(words)))
        del numbers[:2]
        return numbers

    def _find(self, words: list[bytes]) -> None:
        nowhere = len(words) - 1
        places = {word: place for place, word in enumerate(words) if word in self._counts}
        at = [places.get(name, nowhere) for name in self._counts]
        numbers = [
            min(place + nth, nowhere)
            for place, count in zip(at, self._counts.values(), strict=True)
            for nth in range(1, count + 1)
        ]
        self._words = len(words)
        # An itemgetter gives a tuple from two places on: both begin with two that say nothing.
        self._pick_names = itemgetter(nowhere, nowhere, *at)
        self._pick_numbers = itemgetter(nowhere, nowhere, *numbers)
        self._expected = self._pick_names(words)
