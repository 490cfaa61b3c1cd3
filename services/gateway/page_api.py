"""`POST /api/v1/page/detail`: the page says that it draws less, or all again; everybody's charts and the audit say so.

A page lowers its detail by itself where it misses its frames (CONTRACTS §5). That is a mitigation, so it is logged.
"""

from collections.abc import Callable

import msgspec
from aiohttp import web

from bus.clock import monotonic_s
from services.gateway.ingest_api import PAGE_SOURCE
from services.gateway.metrics_api import json_response
from services.gateway.middleware import VISITOR
from services.gateway.params import Params
from services.gateway.rates import Bucket
from services.gateway.refusal import Refusal
from services.gateway.settings_api import actor_of, read_json

LEVELS = ("T0", "T1", "T2")
# A page steps once in two seconds at most; several pages may be open.
_STEPS_A_SECOND = 1.0
_STEPS_AT_ONCE = 8.0

Emit = Callable[..., None]


class DetailBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /api/v1/page/detail: levels by number, 0 is all; what was seen before the step."""

    before: int
    after: int
    missed_ratio: float
    work_p95_ms: float

    def __post_init__(self) -> None:
        if not (0 <= self.before < len(LEVELS) and 0 <= self.after < len(LEVELS) and self.before != self.after):
            raise ValueError("`before` and `after` are two of 0, 1, 2")
        if not (0 <= self.missed_ratio <= 1 and 0 <= self.work_p95_ms < 1e6):
            raise ValueError("`missed_ratio` lies from 0 to 1, `work_p95_ms` is a time")


class PageApi:
    """The handler; `emit` and `audit` are those of the service's context."""

    def __init__(self, emit: Emit, audit: Emit) -> None:
        self._emit = emit
        self._audit = audit
        self._rate = Bucket(_STEPS_A_SECOND, _STEPS_AT_ONCE)

    def routes(self) -> list[web.RouteDef]:
        """The address answered here."""
        return [web.post("/api/v1/page/detail", self.detail)]

    async def detail(self, request: web.Request) -> web.Response:
        """An event `mitigation` of `ui:dashboard`, and a row `mitigation.page_detail` in the audit chain."""
        Params(request, ())
        body: DetailBody = await read_json(request, DetailBody)
        if wait_s := self._rate.take("", monotonic_s()):
            raise Refusal(429, "page/detail", "more steps than one a second.", f"Wait {wait_s:.1f} s.")
        before, after = LEVELS[body.before], LEVELS[body.after]
        told = {"missed": f"{100 * body.missed_ratio:.1f} % of slots", "work_p95": f"{body.work_p95_ms:.1f} ms"}
        what = "draws less" if body.after > body.before else "draws more again"
        self._emit(
            "mitigation",
            PAGE_SOURCE,
            f"the page {what}: detail {before} to {after}",
            before=before,
            after=after,
            **told,
        )
        self._audit("mitigation.page_detail", actor_of(request[VISITOR]), before=before, after=after, **told)
        return json_response({"taken": True})
