"""`POST /v1/metrics` of the OTLP door: the checks of the door, then bytes → rows → the gateway's own tables.

The work on a body is done in a thread, one body at a time: 10,000 points are 0.3 s of CPU, and pages get their frames
meanwhile. Errors are told in the language of the request, as OTLP/HTTP says.
"""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import Callable

from aiohttp import web

from bus.clock import monotonic_s, wall_us
from bus.logs import ServiceLogger
from services.gateway.access import Keyring
from services.gateway.door import (
    Knock,
    bearer_token,
    check_fetch_site,
    check_host,
    check_method,
    check_origin,
    check_token,
)
from services.gateway.ingest import Row
from services.gateway.middleware import knock_of
from services.gateway.otlp import wire
from services.gateway.otlp.receiver import Receiver
from services.gateway.otlp.rejected import Rejected
from services.gateway.otlp.wire import Refused
from services.gateway.own_tables import Now, OwnTables
from services.gateway.rates import Bucket
from services.gateway.refusal import Refusal
from services.gateway.slow_clients import SlowClients

PATH = "/v1/metrics"
# Bodies that are held at a time: of 20 MiB each at most, packed or not.
_AT_ONCE = 4
_BODY_WITHIN_S = 10.0
_REQUESTS_A_SECOND = 50.0


class OtlpApi:
    """The app behind the OTLP port. `needs_token` is asked anew for each request."""

    def __init__(
        self,
        tables: OwnTables,
        keyring: Keyring,
        slow: SlowClients,
        needs_token: Callable[[], bool],
        log: ServiceLogger,
    ) -> None:
        self._tables = tables
        self._keyring = keyring
        self._slow = slow
        self._needs_token = needs_token
        self._log = log
        self._receiver = Receiver(wall_us())
        self._turn = asyncio.Lock()
        self._under_way = 0
        self._asked = Bucket(_REQUESTS_A_SECOND, 4 * _REQUESTS_A_SECOND)
        self.requests_total = 0
        self.points_total = 0
        self.rejected_total = 0
        self.refused_total = 0

    @property
    def rank_error_max(self) -> float:
        """The largest rank error of a quantile told so far, 0 to 1."""
        return self._receiver.rank_error_max

    def app(self) -> web.Application:
        """Every path and method ends in the one handler."""
        app = web.Application(client_max_size=wire.MAX_BYTES)
        app.router.add_route("*", "/{path:.*}", self.handle)
        return app

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """200 with what was not taken, or the refusal's status with a google.rpc.Status."""
        self._slow.spoke(request.protocol)
        kind = wire.JSON
        try:
            self._admit(request)
            kind = wire.language(request.headers.get("Content-Type", ""))
            return await self._export(request, kind)
        except Refused as refused:
            return self._refuse(kind, refused.status, refused.message)
        except Refusal as refusal:
            return self._refuse(kind, refusal.status, str(refusal))
        except web.HTTPException as error:
            return self._refuse(kind, error.status, f"request: {error.reason}.")
        except asyncio.CancelledError:
            raise
        except Exception as error:
            # Where, never with what: an error's text may quote the body.
            place = traceback.extract_tb(error.__traceback__)[-1]
            where = f"{type(error).__name__} at {place.filename.rpartition('/')[2]}:{place.lineno}"
            self._log.error("an OTLP request failed", error=where)
            return self._refuse(kind, 500, "request: a fault of the gateway; it stands in its log.")

    def _admit(self, request: web.Request) -> None:
        visitor = self._keyring.identify(bearer_token(tuple(request.headers.getall("Authorization", ()))), wall_us())
        knock = knock_of(request, visitor)
        checks = [check_method, check_host, check_origin, check_fetch_site]
        if self._needs_token():
            checks.append(_check_token)
        for check in checks:
            if refusal := check(knock):
                raise refusal
        if knock.path != PATH:
            raise Refusal(404, knock.path[:120], "metrics alone are taken here.", f"Send them to {PATH}.")
        if request.method != "POST":
            raise Refusal(405, request.method, "metrics are sent, not asked for.", "Use POST.")
        if wait_s := self._asked.take(visitor.name, monotonic_s()):
            raise Refusal(429, "rate", "more requests a second than this door takes.", f"Wait {wait_s:.2f} s.")
        if (request.content_length or 0) > wire.MAX_BYTES:
            raise Refused(413, f"body: {request.content_length} bytes are more than {wire.MAX_BYTES}.")

    async def _export(self, request: web.Request, kind: str) -> web.Response:
        if self._under_way >= _AT_ONCE:
            raise Refused(503, f"body: {_AT_ONCE} are being read already. Send it again in a second.")
        self._under_way += 1
        try:
            encoding = request.headers.get("Content-Encoding", "")
            try:
                async with asyncio.timeout(_BODY_WITHIN_S):
                    body = await request.read()
            except TimeoutError:
                raise Refused(408, f"body: it did not come within {_BODY_WITHIN_S:.0f} s. Send it again.") from None
            async with self._turn:
                now_us = wall_us()
                taken = await asyncio.to_thread(
                    lambda: self._receiver.take(wire.parse(wire.unpack(body, encoding), kind), now_us)
                )
                self._write(taken.rows, taken.rejected)
        finally:
            self._under_way -= 1
        self.requests_total += 1
        self.rejected_total += taken.rejected.points
        self.points_total += taken.points - taken.rejected.points
        answer = wire.answer(kind, taken.rejected.points, taken.rejected.message())
        return web.Response(body=answer, content_type=kind)

    def _write(self, rows: list[Row], rejected: Rejected) -> None:
        """Rows of one source in the order of time; what came too late for that, or is too much, is counted."""
        now = Now.read()
        for row in rows:
            try:
                self._tables.write([row], now)
            except Refusal as refusal:
                rejected.add(row.source, refusal.why, len(row.values))

    def _refuse(self, kind: str, status: int, message: str) -> web.Response:
        self.refused_total += 1
        response = web.Response(status=status, body=wire.status(kind, message), content_type=kind)
        if status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if status in (429, 503):
            response.headers["Retry-After"] = "1"
        if status >= 400:
            response.force_close()
        return response


def _check_token(knock: Knock) -> Refusal | None:
    refusal = check_token(knock)
    if refusal is None:
        return None
    mend = 'Set OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20…" with the token of <home>/run/token.'
    return Refusal(refusal.status, refusal.what, refusal.why, mend)
