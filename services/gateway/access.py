"""Secrets that open the door: the API token, sessions of pages, one-use codes and tickets.

Only hashes are kept, in memory and on disk. Time comes in as an argument.
"""

import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

from services.gateway.door import Bearer

CODE_LIFE_S = 300.0
TICKET_LIFE_S = 30.0
SESSION_LIFE_US = 30 * 86_400_000_000
MAX_SESSIONS = 64
# A page asks for a ticket at each (re)connection; a hundred waiting ones are more than any person's tabs.
_MAX_WAITING = 256


def digest(secret: str) -> bytes:
    """What is kept of a secret. Secrets are 256 random bits, so a plain hash cannot be guessed back."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


class OneUse:
    """Secrets that pass once, within their life."""

    def __init__(self, life_s: float) -> None:
        self.life_s = life_s
        self._ends_s: OrderedDict[bytes, float] = OrderedDict()

    def mint(self, now_s: float) -> str:
        """A fresh secret, 32 random bytes in URL-safe text."""
        self._forget(now_s)
        secret = secrets.token_urlsafe(32)
        self._ends_s[digest(secret)] = now_s + self.life_s
        return secret

    def spend(self, secret: str, now_s: float) -> bool:
        """True once for a secret of `mint` that is still alive; it is gone then."""
        self._forget(now_s)
        return self._ends_s.pop(digest(secret), None) is not None

    def _forget(self, now_s: float) -> None:
        while self._ends_s:
            oldest = next(iter(self._ends_s))
            if self._ends_s[oldest] > now_s and len(self._ends_s) < _MAX_WAITING:
                return
            del self._ends_s[oldest]

    def __len__(self) -> int:
        return len(self._ends_s)


@dataclass(frozen=True, slots=True)
class Session:
    """A page that may ask: the hash of its token and when it was opened (wall µs)."""

    hash: bytes
    opened_us: int


@dataclass(frozen=True, slots=True)
class Visitor:
    """Who a token belongs to. `name` tells callers apart for rates and says nothing about the token."""

    bearer: Bearer
    name: str


NOBODY = Visitor(Bearer.NOBODY, "nobody")


class Keyring:
    """Knows the API token and the open sessions."""

    def __init__(self, api_token: str, sessions: Iterable[Session] = ()) -> None:
        self._api = digest(api_token)
        self._sessions = {session.hash: session for session in sessions}

    def identify(self, token: str, now_us: int) -> Visitor:
        """Compares with every known hash in constant time, and leaves no early exit."""
        if not token:
            return NOBODY
        asked = digest(token)
        found = NOBODY
        if hmac.compare_digest(asked, self._api):
            found = Visitor(Bearer.SCRIPT, "script")
        for session in self._sessions.values():
            if hmac.compare_digest(asked, session.hash) and now_us - session.opened_us < SESSION_LIFE_US:
                found = Visitor(Bearer.PAGE, f"page:{session.hash[:4].hex()}")
        return found

    @property
    def sessions(self) -> list[Session]:
        """Those that are open."""
        return list(self._sessions.values())

    def open_session(self, now_us: int) -> tuple[str, Session]:
        """(token, its session). Dead sessions leave, and over 64 the oldest."""
        token = secrets.token_urlsafe(32)
        session = Session(digest(token), now_us)
        gone = [old for old in self._sessions.values() if now_us - old.opened_us >= SESSION_LIFE_US]
        alive = sorted((s for s in self._sessions.values() if s not in gone), key=lambda s: s.opened_us)
        gone += alive[: max(0, len(alive) + 1 - MAX_SESSIONS)]
        for old in gone:
            del self._sessions[old.hash]
        self._sessions[session.hash] = session
        return token, session
