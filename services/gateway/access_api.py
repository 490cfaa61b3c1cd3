"""How a page comes in: one-use code → session token → one-use tickets for /ws and /sse.

`wfmon open` asks for a code with the API token and hands it to the browser in the address's fragment, which
no server and no referrer sees; the page exchanges it at once. An open page asks for a code for a new tab.
"""

import msgspec
from aiohttp import web

from bus.clock import monotonic_s, wall_us
from bus.context import ServiceContext
from services.gateway.access import CODE_LIFE_S, SESSION_LIFE_US, TICKET_LIFE_S, Keyring, OneUse
from services.gateway.metrics_api import json_response
from services.gateway.middleware import VISITOR
from services.gateway.params import Params
from services.gateway.refusal import Refusal
from services.gateway.session_store import SessionStore
from services.gateway.settings_api import actor_of, read_json


class ExchangeBody(msgspec.Struct, forbid_unknown_fields=True):
    """POST /api/v1/session."""

    code: str


class AccessApi:
    """Handlers of codes, sessions and tickets."""

    def __init__(self, ctx: ServiceContext, keyring: Keyring, store: SessionStore) -> None:
        self._ctx = ctx
        self._keyring = keyring
        self._store = store
        self._codes = OneUse(CODE_LIFE_S)
        self._tickets = OneUse(TICKET_LIFE_S)

    def routes(self) -> list[web.RouteDef]:
        """The addresses answered here."""
        return [
            web.post("/api/v1/code", self.code),
            web.post("/api/v1/session", self.session),
            web.post("/api/v1/ticket", self.ticket),
        ]

    async def code(self, request: web.Request) -> web.Response:
        """{code, expires_us}: opens one session within five minutes."""
        Params(request, ())
        code = self._codes.mint(monotonic_s())
        self._ctx.audit("session.code_made", actor_of(request[VISITOR]))
        return json_response({"code": code, "expires_us": wall_us() + round(CODE_LIFE_S * 1e6)})

    async def session(self, request: web.Request) -> web.Response:
        """{token, expires_us} for a code that was not used before; 401 otherwise."""
        body: ExchangeBody = await read_json(request, ExchangeBody)
        if not self._codes.spend(body.code, monotonic_s()):
            raise Refusal(
                401,
                "code",
                "it is used, older than five minutes, or not ours.",
                "Open the page anew with `wfmon open`.",
            )
        token, session = self._keyring.open_session(wall_us())
        await self._store.keep(self._keyring.sessions)
        self._ctx.audit("session.opened", "person:page")
        return json_response({"token": token, "expires_us": session.opened_us + SESSION_LIFE_US})

    async def ticket(self, request: web.Request) -> web.Response:
        """{ticket, expires_us}: opens one /ws or /sse within 30 s."""
        Params(request, ())
        ticket = self._tickets.mint(monotonic_s())
        return json_response({"ticket": ticket, "expires_us": wall_us() + round(TICKET_LIFE_S * 1e6)})

    def spend_ticket(self, ticket: str) -> bool:
        """True once for a ticket that is still alive."""
        return self._tickets.spend(ticket, monotonic_s())
