"""What the tap asks a runtime for beside the client's own wishes, where the user switched it on. Pure.

Token counts (`stream_options.include_usage`) and log-probabilities, in streamed requests only: a whole answer has its
counts unasked, and its tokens have no times. Nothing is asked of a runtime before one plain answer of it was seen
(plain.py), since the client is to get exactly that; nor of one that refused.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec
from msgspec import Raw

from bus.unreadable import UNREADABLE
from services.tap.plain import Form, Shape

MOST_CANDIDATES = 20
_MOST_KNOWN = 500
# A runtime may be another one behind the same port after that; a plain answer is looked at again.
_FRESH_S = 3600.0
_UNSET = frozenset({b"", b"null", b"false"})

_members = msgspec.json.Decoder(dict[str, Raw])


class Wants(NamedTuple):
    """What the user switched on: the settings tap.ask_usage and tap.ask_logprobs."""

    usage: bool = False
    top_k: int = 0


class Extra(NamedTuple):
    """What one request asks for that its client did not."""

    usage: bool = False
    logprobs: bool = False


class Key(NamedTuple):
    """Whose answers are alike: behind one address may stand several runtimes, told apart by the model."""

    url: str
    path: str
    model: str
    own: Extra
    """What the client itself asks for."""


class Ask(NamedTuple):
    """How one request goes out."""

    form: Form
    key: Key
    body: bytes = b""
    """The changed body; empty: it goes as it came, and its answer is learned from."""
    extra: Extra = Extra()
    shape: Shape | None = None


@dataclass(slots=True)
class _Known:
    shape: Shape | None = None
    since_s: float = 0.0
    refused: set[Extra] = field(default_factory=set)


class Asking:
    """Remembers what runtimes look like and what they refuse."""

    def __init__(self) -> None:
        self._known: OrderedDict[Key, _Known] = OrderedDict()

    def plan(self, wants: Wants, ending: str, url: str, path: str, model: str, body: bytes, now_s: float) -> Ask | None:
        """Return how to send a request; None: as it is, and its answer is nothing to learn from."""
        form = _FORMS.get(ending)
        if form is None or not (wants.usage or wants.top_k):
            return None
        try:
            body.decode()  # msgspec skips texts without looking into them
            members = _members.decode(body)
        except UNREADABLE:
            return None
        if not _streams(form, members):
            return None
        own = Extra(_asks_usage(members), _asks_logprobs(members))
        wished = Extra(
            usage=wants.usage and form is Form.OPENAI and not own.usage,
            # llama.cpp refuses log-probabilities beside tools.
            logprobs=wants.top_k > 0 and not own.logprobs and not _set(members, "tools", "functions"),
        )
        if not any(wished):
            return None
        key = Key(url, path, model, own)
        known = self._entry(key)
        shape = self._shape(key, now_s)
        if shape is None:
            return Ask(form, key)
        if shape.echoes:
            return None
        extra = next((one for one in _less(wished, shape) if one not in known.refused), None)
        if extra is None:
            return None
        return Ask(form, key, _extended(ending, members, extra, wants.top_k), extra, shape)

    def learned(self, key: Key, shape: Shape | None, now_s: float) -> None:
        """Keep what a plain answer looked like."""
        if shape is not None:
            known = self._entry(key)
            known.shape, known.since_s = shape, now_s

    def refused(self, ask: Ask) -> None:
        """Note that the runtime took the request only without what was asked for beside."""
        self._entry(ask.key).refused.add(ask.extra)

    def forget(self, url: str) -> None:
        """Forget a runtime that is gone: what comes back may be another."""
        for key in [key for key in self._known if key.url == url]:
            del self._known[key]

    def _entry(self, key: Key) -> _Known:
        known = self._known.setdefault(key, _Known())
        self._known.move_to_end(key)
        if len(self._known) > _MOST_KNOWN:
            self._known.popitem(last=False)
        return known

    def _shape(self, key: Key, now_s: float) -> Shape | None:
        known = self._known.get(key)
        return known.shape if known is not None and now_s - known.since_s < _FRESH_S else None


# By the ending of the path. Not llama-server's own /completion: its last chunk repeats the settings of the request.
_FORMS = {
    "/chat/completions": Form.OPENAI,
    "/v1/completions": Form.OPENAI,
    "/api/v0/completions": Form.OPENAI,
    "/completions": Form.OPENAI,
    "/api/chat": Form.OLLAMA,
    "/api/generate": Form.OLLAMA,
}


def _less(wished: Extra, shape: Shape) -> Iterator[Extra]:
    """Yield what can be asked for, from all to one: a runtime that refuses one may give the other."""
    usage = wished.usage and not shape.counts
    for extra in (Extra(usage, wished.logprobs), Extra(usage=usage), Extra(logprobs=wished.logprobs)):
        if any(extra):
            yield extra


def _streams(form: Form, members: dict[str, Raw]) -> bool:
    told = bytes(members.get("stream", b""))
    return told == b"true" if form is Form.OPENAI else told in (b"true", b"", b"null")


def _set(members: dict[str, Raw], *names: str) -> bool:
    return any(bytes(members[name]) not in (*_UNSET, b"[]") for name in names if name in members)


def _asks_logprobs(members: dict[str, Raw]) -> bool:
    return _set(members, "logprobs", "top_logprobs", "n_probs")


def _asks_usage(members: dict[str, Raw]) -> bool:
    options = members.get("stream_options")
    if options is None:
        return False
    try:
        told = _members.decode(options)
    except msgspec.DecodeError:
        return bytes(options) != b"null"  # it is for the runtime to say what that means
    return any(_set(told, name) for name in told)


def _extended(ending: str, members: dict[str, Raw], extra: Extra, top_k: int) -> bytes:
    """Return a body with what is asked for beside; all other members as they came."""
    told = dict(members)
    if extra.usage:
        told["stream_options"] = Raw(b'{"include_usage":true}')
    if extra.logprobs:
        top = str(min(top_k, MOST_CANDIDATES)).encode()
        if ending.endswith("/completions") and ending != "/chat/completions":
            told["logprobs"] = Raw(top)
        else:
            told["logprobs"], told["top_logprobs"] = Raw(b"true"), Raw(top)
    return msgspec.json.encode(told)
