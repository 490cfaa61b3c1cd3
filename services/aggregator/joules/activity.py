"""Which requests ran when, and which tokens came in which second: from bursts and records. Pure; boot clock, µs."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from wfmonitor.v1.request_pb2 import Phase, RequestRecord, TokenBurst

from services.aggregator.joules.integral import SECOND_US

# Nobody may fill the memory with requests that never end; those that are silent for so long are given up.
_MOST = 4096
_SILENT_US = 900 * SECOND_US


@dataclass(slots=True)
class Request:
    """One generation. `tokens`: second → output tokens that came in it."""

    model: str
    begun_us: int
    heard_us: int
    ended_us: int | None = None
    tokens: dict[int, int] = field(default_factory=lambda: defaultdict(int))

    def running_s(self, second: int) -> float:
        """How much of a second it ran."""
        from_us = max(second * SECOND_US, self.begun_us)
        to_us = (second + 1) * SECOND_US if self.ended_us is None else min((second + 1) * SECOND_US, self.ended_us)
        return max(0, to_us - from_us) / SECOND_US


class Activity:
    """All requests under way, and those that ended in seconds not closed yet."""

    def __init__(self) -> None:
        self.requests: dict[str, Request] = {}

    def burst(self, burst: TokenBurst, now_us: int) -> None:
        """Take tokens, the begin or the end of a request. `now_us` counts where a burst has no times."""
        at_us = burst.boot_us[0] if burst.boot_us else now_us
        request = self._request(burst.request_id, burst.model, at_us)
        request.model = burst.model
        request.heard_us = now_us
        for index, time_us in enumerate(burst.boot_us):
            request.tokens[time_us // SECOND_US] += max(burst.tokens[index], 1) if index < len(burst.tokens) else 1
        if burst.phase == Phase.PHASE_ENDED and request.ended_us is None:
            request.ended_us = max(now_us, request.begun_us)

    def record(self, record: RequestRecord) -> int | None:
        """Take the end of a request; return it, µs. None: its whole run was not heard, or it tells no time."""
        if not record.HasField("e2e_ms") or not record.start_boot_us:
            return None
        request = self.requests.get(record.id)
        if request is None or request.begun_us > record.start_boot_us + SECOND_US:
            return None
        request.begun_us = record.start_boot_us
        request.ended_us = record.start_boot_us + round(record.e2e_ms * 1000)
        return request.ended_us

    def in_second(self, second: int) -> Iterator[tuple[str, Request]]:
        """(id, request) of those that ran in it or had tokens in it."""
        for id_, request in self.requests.items():
            if request.running_s(second) > 0 or request.tokens.get(second):
                yield id_, request

    def close(self, second: int) -> None:
        """Forget what lies in the second and before, and who is silent for too long."""
        end_us = (second + 1) * SECOND_US
        for id_, request in list(self.requests.items()):
            for older in [one for one in request.tokens if one <= second]:
                del request.tokens[older]
            ended_us = request.ended_us if request.ended_us is not None else request.heard_us + _SILENT_US
            if ended_us <= end_us and not request.tokens:
                del self.requests[id_]

    def _request(self, id_: str, model: str, at_us: int) -> Request:
        request = self.requests.get(id_)
        if request is None:
            if len(self.requests) >= _MOST:
                del self.requests[next(iter(self.requests))]
            request = self.requests[id_] = Request(model, at_us, at_us)
        return request
