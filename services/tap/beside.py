"""One request's share in asking for more: its changed body, and the way back of its answer.

Whatever fails in here is counted, and the bytes flow on as they came.
"""

from __future__ import annotations

from collections.abc import Callable

from bus.clock import monotonic_s
from services.tap.asking import Ask, Asking, Wants
from services.tap.connection import Answer
from services.tap.dialects import Generation
from services.tap.framing import framing_of
from services.tap.headers import first
from services.tap.plain import Learner
from services.tap.routes import Way
from services.tap.stripping import Stripper

# What a runtime says to a request with a member that it does not take.
_REFUSALS = frozenset({400, 422, 501})


class Besides:
    """Begins a Beside for each request that it concerns; counts what they did."""

    def __init__(self, wants: Callable[[], Wants]) -> None:
        self.asked_total = 0
        self.refused_total = 0
        self.left_in_total = 0
        """Events that reached a client with what it had not asked for: they could not be read."""
        self.failures_total = 0
        self._wants = wants
        self._asking = Asking()

    def begin(self, wanted: Generation, way: Way, model: str, body: object) -> Beside | None:
        """Return the share of one request; None where nothing is asked and nothing to be learned."""
        wants = self._wants()
        if not any(wants) or not isinstance(body, bytes):
            return None
        try:
            ask = self._asking.plan(wants, wanted.ending, way.upstream.url, way.path, model, body, monotonic_s())
        except Exception:
            self.failures_total += 1
            return None
        return None if ask is None else Beside(self, self._asking, ask)

    def gone(self, url: str) -> None:
        """Forget a runtime that does not answer."""
        self._asking.forget(url)


class Beside:
    """Made before a request is sent; `answered`, then `change` and `seen` for its bytes, `end` when it is over."""

    def __init__(self, counts: Besides, asking: Asking, ask: Ask) -> None:
        self.body = ask.body
        """What goes to the runtime; empty: the client's own."""
        self._counts = counts
        self._asking = asking
        self._ask = ask
        self._learner: Learner | None = None
        self._stripper: Stripper | None = None

    def is_refused(self, answer: Answer) -> bool:
        """Whether the request is to be sent again, unchanged."""
        return bool(self.body) and answer.status in _REFUSALS

    def sent_unchanged(self, answer: Answer) -> None:
        """Note how the unchanged request went: where it too is refused, the client's own wishes were the reason."""
        self.body = b""
        if answer.status not in _REFUSALS:
            self._asking.refused(self._ask)
            self._counts.refused_total += 1

    def answered(self, answer: Answer) -> None:
        """Look at the head of the answer that the client gets."""
        encoded = first(answer.headers, b"content-encoding").lower() not in ("", "identity")
        framing = None if encoded or answer.status != 200 else framing_of(first(answer.headers, b"content-type"))
        ask = self._ask
        if not self.body:
            if ask.shape is None and framing is not None:
                self._learner = Learner(ask.form, framing)
        elif framing is not None and framing.streamed and ask.shape is not None:
            self._stripper = Stripper(ask.form, ask.extra, ask.shape)
            self._counts.asked_total += 1
        elif answer.status == 200:
            self._asking.refused(ask)  # it does not stream, or packs what it says: nothing could be taken out

    @property
    def change(self) -> Callable[[bytes], bytes] | None:
        """Makes the client's bytes of the runtime's; None: they are the same."""
        return None if self._stripper is None else self._stripper.feed

    def seen(self, data: bytes) -> None:
        """Learn from bytes that the client has already."""
        if self._learner is None:
            return
        try:
            self._learner.feed(data)
        except Exception:
            self._learner = None
            self._counts.failures_total += 1

    def rest(self) -> bytes:
        """Return what was held back, when no more comes."""
        if self._stripper is None:
            return b""
        self._counts.left_in_total += self._stripper.left_in
        return self._stripper.end()

    def end(self) -> None:
        """Keep what was learned."""
        if self._learner is not None:
            self._asking.learned(self._ask.key, self._learner.shape(), monotonic_s())
