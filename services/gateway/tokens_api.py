"""`POST /api/v1/tokens`: the ear of the SDK. What is taken goes on the bus at once, and is kept nowhere here.

Best effort: tokens and records are published without a journal, so a message that the bus drops under pressure, or
that came while the aggregator restarted, is gone. A sender learns that its message was taken, never that it arrived.
"""

from collections.abc import Callable

from aiohttp import web
from google.protobuf.message import Message
from wfmonitor.v1.request_pb2 import Phase, TokenBurst

from bus import topics
from bus.clock import boot_us, monotonic_s, wall_us
from bus.settings_mirror import SettingsMirror
from services.gateway.metrics_api import json_response
from services.gateway.middleware import read_body
from services.gateway.open_requests import OpenRequests
from services.gateway.params import Params
from services.gateway.refusal import must_be_on
from services.gateway.tokens import PRODUCER, bursts_of, read_told, requests_of


class TokensApi:
    """The handler of /api/v1/tokens; counts what came and what senders say that they dropped."""

    def __init__(self, publish: Callable[[str, Message], None], settings: SettingsMirror) -> None:
        self._publish = publish
        self._settings = settings
        self._open = OpenRequests()
        self.bursts_total = 0
        self.requests_total = 0
        self.dropped_total = 0

    def routes(self) -> list[web.RouteDef]:
        """The address answered here."""
        return [web.post("/api/v1/tokens", self.tokens)]

    async def tokens(self, request: web.Request) -> web.Response:
        """{bursts, requests} that were taken: all of them, or none and a 400 names the field."""
        Params(request, ())
        must_be_on(self._settings, "gateway.ingest.enabled")
        told = read_told(await read_body(request))
        now_us, now_boot_us = wall_us(), boot_us()
        bursts = list(bursts_of(told, now_us, now_boot_us))
        records = list(requests_of(told, now_us, now_boot_us))
        for burst in bursts:
            self._open.heard(burst, monotonic_s())
            # One that flows without tokens says that its sender lives, which is of no interest to others.
            if burst.times_us or burst.phase != Phase.PHASE_FLOWING:
                self._publish(topics.token(burst.model), burst)
        for record in records:
            self._publish(topics.request(record.model), record)
        self.bursts_total += len(bursts)
        self.requests_total += len(records)
        self.dropped_total += told.dropped
        return json_response({"bursts": len(bursts), "requests": len(records)})

    def end_silent(self) -> None:
        """Ends the requests whose senders have not spoken for 90 s; called once a second."""
        for model, request_id in self._open.silent(monotonic_s()):
            ended = TokenBurst(producer=PRODUCER, model=model, request_id=request_id, phase=Phase.PHASE_ENDED)
            self._publish(topics.token(model), ended)
