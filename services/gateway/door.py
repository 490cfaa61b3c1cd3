"""Who may pass the HTTP door: pure checks on one request's facts, in the order of `CHECKS`.

The order is part of the promise: a request under a foreign Host learns nothing about tokens, and a
page of another origin learns nothing about routes. Each check takes a `Knock` and returns the
`Refusal`, or None to let the next one look. `services/gateway/middleware.py` puts it before aiohttp.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum

from services.gateway.refusal import Refusal

MAX_BODY_BYTES = 1 << 20
# A name of this machine's loopback, with any port: `ssh -L 1234:localhost:9460` arrives as localhost:1234.
_HOST = re.compile(r"(?:127\.0\.0\.1|localhost|\[::1\])(?::[0-9]{1,5})?", re.IGNORECASE)
_READS = frozenset({"GET", "HEAD"})
_WRITES = frozenset({"POST"})
_OWN_SITE = frozenset({"same-origin", "none"})


class Need(Enum):
    """What a path asks for before its handler runs."""

    NOTHING = "nothing"  # the static shell, the exchange of the one-use code, /healthz
    TICKET = "ticket"  # WebSocket and SSE: the handler spends a one-use ticket
    TOKEN = "token"  # noqa: S105 - everything else


class Bearer(Enum):
    """Whose token a request carries."""

    NOBODY = "nobody"
    PAGE = "page"  # a session, given out for a one-use code
    SCRIPT = "script"  # the API token of <home>/run/token; no web page ever holds it


@dataclass(frozen=True, slots=True)
class Knock:
    """The facts of one request that decide whether it may pass; header values as they came, one item a header."""

    method: str
    target: str
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    fetch_sites: tuple[str, ...] = ()
    fetch_mode: str = ""
    fetch_dest: str = ""
    upgrade: str = ""
    authorizations: tuple[str, ...] = ()
    content_type: str = ""
    content_length: int = 0
    has_body: bool = False  # also one of unknown length
    # Decided by the caller with a constant-time comparison (access.py).
    bearer: Bearer = field(default=Bearer.NOBODY)

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def writes(self) -> bool:
        return self.method not in _READS

    @property
    def upgrades(self) -> bool:
        return self.upgrade.lower() == "websocket"

    @property
    def navigates(self) -> bool:
        """A person follows a link to the page itself (a link elsewhere, or the redirect file of `wfmon open`)."""
        return (
            self.method == "GET"
            and self.path in ("/", "/index.html")
            and self.fetch_mode == "navigate"
            and self.fetch_dest == "document"
        )


def need_of(method: str, path: str) -> Need:
    """What the path asks for. Unknown paths of the data's part of the tree ask for a token, so they tell nothing."""
    if path == "/healthz" or (method == "POST" and path == "/api/v1/session"):
        return Need.NOTHING
    if path in ("/ws", "/sse"):
        return Need.TICKET
    first = path.split("/", 2)[1] if path.startswith("/") else ""
    if first in ("api", "metrics", "ws", "sse", "healthz") or method not in _READS:
        return Need.TOKEN
    return Need.NOTHING


def check_method(knock: Knock) -> Refusal | None:
    """GET, HEAD and POST of a plain path; no OPTIONS, since no other origin is ever allowed in."""
    if knock.method not in _READS | _WRITES:
        return Refusal(405, f"method {knock.method[:16]!r}", "this door knows GET, HEAD and POST.", "Use one of them.")
    if not knock.target.startswith("/"):
        return Refusal(
            400, "request target", "it is not a path of this server.", "Ask for /… without a scheme and host."
        )
    return None


def check_host(knock: Knock) -> Refusal | None:
    """Exactly one Host, which names this machine's loopback: a rebound name of a web page does not."""
    if len(knock.hosts) != 1:
        return Refusal(400, "Host", f"{len(knock.hosts)} Host headers came, exactly one is needed.", "Send one.")
    if not _HOST.fullmatch(knock.hosts[0]):
        return Refusal(
            403,
            "Host",
            f"{knock.hosts[0][:80]!r} is not a name of this machine's loopback.",
            "Open the page at http://127.0.0.1, localhost or [::1], through `ssh -L` if you are elsewhere.",
        )
    return None


def check_origin(knock: Knock) -> Refusal | None:
    """Origin equals http:// + Host, by string; a WebSocket and a write must have one.

    A write with the API token may come without: every browser sends Origin with a POST, and no page holds that token.
    """
    if knock.origins:
        if len(knock.origins) == 1 and knock.origins[0] == f"http://{knock.hosts[0]}":
            return None
        return Refusal(
            403,
            "Origin",
            f"{', '.join(knock.origins)[:80]!r} is not the page of this server.",
            f"Send Origin: http://{knock.hosts[0]}, or ask from the monitor's own page.",
        )
    if knock.upgrades or knock.path == "/ws":
        return Refusal(
            403, "Origin", "a WebSocket must say where it comes from.", f"Send Origin: http://{knock.hosts[0]}"
        )
    exchange = knock.writes and need_of(knock.method, knock.path) is Need.NOTHING
    if exchange or (knock.writes and knock.bearer is Bearer.PAGE):
        return Refusal(
            403,
            "Origin",
            "a write must say where it comes from.",
            f"Send Origin: http://{knock.hosts[0]}, or use the API token of <home>/run/token.",
        )
    return None


def check_fetch_site(knock: Knock) -> Refusal | None:
    """What the browser says about the asking page: our own, nobody's (typed address), or no browser at all."""
    if not knock.fetch_sites or (len(knock.fetch_sites) == 1 and knock.fetch_sites[0] in _OWN_SITE):
        return None
    if knock.navigates:
        return None
    return Refusal(
        403,
        "Sec-Fetch-Site",
        f"{', '.join(knock.fetch_sites)[:80]!r}: another site's page asked.",
        "Ask from the monitor's own page.",
    )


def check_token(knock: Knock) -> Refusal | None:
    """A known bearer token, except where `need_of` says otherwise."""
    if need_of(knock.method, knock.path) is not Need.TOKEN or knock.bearer is not Bearer.NOBODY:
        return None
    why = "the token is not known here." if knock.authorizations else "no token came with the request."
    return Refusal(
        401,
        "Authorization",
        why,
        "Send `Authorization: Bearer …` with the token of <home>/run/token, or open the page anew with `wfmon open`.",
    )


def check_body(knock: Knock) -> Refusal | None:
    """A body is JSON and at most 1 MiB; a form of another page can send neither header freely."""
    if knock.content_length > MAX_BODY_BYTES:
        return Refusal(
            413, "Content-Length", f"{knock.content_length} bytes are more than {MAX_BODY_BYTES}.", "Send it in parts."
        )
    kind = knock.content_type.partition(";")[0].strip().lower()
    if knock.writes and kind != "application/json" and (kind or knock.has_body):
        return Refusal(
            415,
            "Content-Type",
            f"{kind[:80]!r} is not application/json." if kind else "it is absent.",
            "Send Content-Type: application/json.",
        )
    return None


CHECKS: tuple[Callable[[Knock], Refusal | None], ...] = (
    check_method,
    check_host,
    check_origin,
    check_fetch_site,
    check_token,
    check_body,
)


def judge(knock: Knock) -> Refusal | None:
    """The first check's refusal, or None: the request may pass. Rates come after (rates.py)."""
    for check in CHECKS:
        if refusal := check(knock):
            return refusal
    return None


def bearer_token(authorizations: tuple[str, ...]) -> str:
    """The token of exactly one `Authorization: Bearer …`, else an empty string."""
    if len(authorizations) != 1:
        return ""
    scheme, _, token = authorizations[0].partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""
