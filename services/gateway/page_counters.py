"""Counters of all open pages together. Each page counts from its own opening, and several are open at a time.

Written into one series as they come, 5 of one page and 100 of another would read as a reset each second.
"""

from weakref import WeakKeyDictionary


class PageCounters:
    """Sums that only grow. A page that has gone is forgotten with its connection."""

    def __init__(self) -> None:
        self._newest: WeakKeyDictionary[object, dict[str, float]] = WeakKeyDictionary()
        self._sums: dict[str, float] = {}

    def summed(self, page: object, metric: str, value: float) -> float:
        """The sum over all pages since the gateway started, once `page`, a connection, has told `value` of its own.

        What a page counted before its connection is no part of it: one that connects again would count twice.
        """
        newest = self._newest.setdefault(page, {})
        before = newest.get(metric, value)
        newest[metric] = value
        grown = value - before if value >= before else value
        self._sums[metric] = self._sums.get(metric, 0) + grown
        return self._sums[metric]
