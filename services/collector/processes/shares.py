"""Proportional memory (PSS) of the biggest, read rarely: the kernel walks all their pages for it."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from types import MappingProxyType

from services.collector.pinned import PinnedFile
from services.collector.processes.parse import parse_pss
from services.collector.processes.ranking import Usage, add
from services.collector.processes.registry import Process

EVERY_S = 30.0
# A scan adds so much CPU time to what may be spent: 0.03 % of a core at 1 Hz. A process of 40 MB costs 1 ms.
CREDIT_S = 0.0003
_MOST_CREDIT_S = 0.02
_BIGGEST = 10


class Shares:
    """PSS by process: read again after 30 s, or later where credit is short; repeated in between."""

    def __init__(self) -> None:
        self._known: dict[Process, tuple[float, float]] = {}
        self._credit_s = _MOST_CREDIT_S

    def fill(
        self, usages: Iterable[Usage], now_s: float, read: bool = True, told: Mapping[int, float] = MappingProxyType({})
    ) -> None:
        """Sets `pss_bytes` of the ten biggest by resident memory; absent until every member was read.

        `told` holds the PSS, by pid, of processes that somebody else reads: they are not read twice.
        """
        biggest = sorted(usages, key=lambda usage: -usage.rss_bytes)[:_BIGGEST]
        members = [process for usage in biggest for process in usage.members if not process.kernel]
        self._known = {process: self._known[process] for process in members if process in self._known}
        self._known |= {process: (told[process.pid], now_s) for process in members if process.pid in told}
        if read:
            self._credit_s = min(self._credit_s + CREDIT_S, _MOST_CREDIT_S)
        if read and self._credit_s > 0:
            due = [process for process in members if now_s - self._read_s(process) >= EVERY_S]
            for process in sorted(due, key=self._read_s):
                self._read(process, now_s)
                if self._credit_s <= 0:
                    break
        for usage in biggest:
            total = math.nan
            for process in usage.members:
                pss = self._known.get(process, (math.nan, 0.0))[0]
                if pss != pss and not process.kernel:
                    total = math.nan
                    break
                total = add(total, pss)
            usage.pss_bytes = total

    def _read_s(self, process: Process) -> float:
        """When it was last read; the longest ago comes first."""
        return self._known.get(process, (math.nan, -math.inf))[1]

    def _read(self, process: Process, now_s: float) -> None:
        before_s = time.thread_time()
        try:
            pss = parse_pss(PinnedFile(process.folder / "smaps_rollup").read())
        except (OSError, ValueError):  # another user's, or ended
            pss = math.nan
        self._credit_s -= time.thread_time() - before_s
        self._known[process] = (pss, now_s)
