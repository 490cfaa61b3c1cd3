"""The door before aiohttp: facts of a request → `door.judge` → rates → handler; every error as JSON."""

import asyncio
from collections.abc import Awaitable, Callable

import grpc
from aiohttp import web

from bus.clock import monotonic_s, wall_us
from bus.logs import ServiceLogger
from services.gateway.access import Keyring, Visitor
from services.gateway.door import Bearer, Knock, bearer_token, judge
from services.gateway.encoding import encode
from services.gateway.grpc_errors import from_rpc
from services.gateway.rates import Bucket
from services.gateway.refusal import Refusal
from services.gateway.slow_clients import SlowClients

VISITOR: web.RequestKey[Visitor] = web.RequestKey("visitor", Visitor)

# A page asks a few times a second, a script in a loop a few hundred; a runaway loop may not take a core.
_REQUESTS_A_SECOND = 500.0
_REQUESTS_AT_ONCE = 2000.0
# Codes are exchanged once a page. Guessing 256 bits needs no bound, but a flood should cost the sender, not us.
_EXCHANGES_A_SECOND = 5.0
_BODY_WITHIN_S = 10.0

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def knock_of(request: web.Request, visitor: Visitor) -> Knock:
    """The facts that the checks look at."""
    headers = request.headers
    return Knock(
        method=request.method,
        target=request.raw_path,
        hosts=tuple(headers.getall("Host", ())),
        origins=tuple(headers.getall("Origin", ())),
        fetch_sites=tuple(headers.getall("Sec-Fetch-Site", ())),
        fetch_mode=headers.get("Sec-Fetch-Mode", ""),
        fetch_dest=headers.get("Sec-Fetch-Dest", ""),
        upgrade=headers.get("Upgrade", ""),
        authorizations=tuple(headers.getall("Authorization", ())),
        content_type=headers.get("Content-Type", ""),
        content_length=request.content_length or 0,
        has_body=request.body_exists,
        bearer=visitor.bearer,
    )


class Doorkeeper:
    """The one middleware of the app; counts what it refused."""

    def __init__(self, keyring: Keyring, slow: SlowClients, log: ServiceLogger) -> None:
        self._keyring = keyring
        self._slow = slow
        self._log = log
        self._asked = Bucket(_REQUESTS_A_SECOND, _REQUESTS_AT_ONCE)
        self._exchanges = Bucket(_EXCHANGES_A_SECOND, 10 * _EXCHANGES_A_SECOND)
        self.refused_total = 0
        self.failed_total = 0

    @web.middleware
    async def guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Lets a request through to its handler, or answers with {"error": {what, why, mend}}."""
        self._slow.spoke(request.protocol)
        try:
            self._admit(request)
            return await handler(request)
        except Refusal as refusal:
            return self._refuse(refusal)
        except web.HTTPException as error:
            if error.status < 400:
                raise
            return self._refuse(_from_http(request, error))
        except grpc.aio.AioRpcError as error:
            return self._refuse(from_rpc(error))
        except (TimeoutError, ConnectionError) as error:
            return self._refuse(
                Refusal(408, "request", f"it stopped half-way ({type(error).__name__}).", "Send it again.")
            )
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.failed_total += 1
            self._log.exception("a request failed", error=f"{type(error).__name__}: {error}")
            return self._refuse(
                Refusal(500, "request", "a fault of the gateway; it stands in its log.", "See `wfmon doctor`.")
            )

    def _admit(self, request: web.Request) -> None:
        token = bearer_token(tuple(request.headers.getall("Authorization", ())))
        visitor = self._keyring.identify(token, wall_us())
        request[VISITOR] = visitor
        knock = knock_of(request, visitor)
        if refusal := judge(knock):
            raise refusal
        # Not limited: the shell, /healthz and what tickets guard. They cost little, and whoever floods them as
        # "nobody" may not shut out a person who is also nobody yet.
        wait_s = 0.0
        if visitor.bearer is not Bearer.NOBODY:
            wait_s = self._asked.take(visitor.name, monotonic_s())
        elif knock.writes:
            wait_s = self._exchanges.take("", monotonic_s())
        if wait_s:
            raise Refusal(429, "rate", "more requests a second than this door takes.", f"Wait {wait_s:.2f} s.")

    def _refuse(self, refusal: Refusal) -> web.Response:
        self.refused_total += 1
        response = web.Response(status=refusal.status, body=encode(refusal.body()), content_type="application/json")
        if refusal.status == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        if refusal.status in (400, 413, 429):
            response.force_close()
        return response


def _from_http(request: web.Request, error: web.HTTPException) -> Refusal:
    if error.status == 404:
        return Refusal(404, request.path[:120], "there is nothing here.", "See /api/v1/describe for what can be asked.")
    if error.status == 405:
        return Refusal(
            405, request.method, f"{request.path[:120]} does not take it.", f"Use {error.headers.get('Allow', 'GET')}."
        )
    return Refusal(error.status, "request", f"{error.reason}.", "See the documentation of the gateway.")


async def read_body(request: web.Request) -> bytes:
    """The whole body, at most 1 MiB and within ten seconds; raises Refusal 408 or 413."""
    try:
        async with asyncio.timeout(_BODY_WITHIN_S):
            return await request.read()
    except TimeoutError as error:
        raise Refusal(
            408, "body", f"it did not come within {_BODY_WITHIN_S:.0f} s.", "Send it again, whole."
        ) from error
