"""Requests of senders that have begun and not ended: one whose sender is gone is ended here, nobody else would.

A program that is killed says no goodbye, and its model would seem to answer for ever. Pure: time comes in.
"""

from collections import OrderedDict
from collections.abc import Iterator

from wfmonitor.v1.request_pb2 import Phase, TokenBurst

# A sender speaks each 20 s at least while something is open; a page in the background each minute.
SILENT_AFTER_S = 90.0
_MAX_OPEN = 4096


class OpenRequests:
    """Who is under way, and when it was last heard of."""

    def __init__(self) -> None:
        self._heard: OrderedDict[tuple[str, str], float] = OrderedDict()

    def heard(self, burst: TokenBurst, now_s: float) -> None:
        """A burst came, be it without tokens. Over 4,096 the longest silent one is no longer watched."""
        key = (burst.model, burst.request_id)
        if burst.phase == Phase.PHASE_ENDED:
            self._heard.pop(key, None)
            return
        self._heard[key] = now_s
        self._heard.move_to_end(key)
        if len(self._heard) > _MAX_OPEN:
            self._heard.popitem(last=False)

    def silent(self, now_s: float) -> Iterator[tuple[str, str]]:
        """(model, request) of those that are given up now, each once."""
        while self._heard:
            key, heard_s = next(iter(self._heard.items()))
            if now_s - heard_s < SILENT_AFTER_S:
                return
            del self._heard[key]
            yield key
