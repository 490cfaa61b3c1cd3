"""Query parameters of the HTTP door: typed, bounded, and refused by name."""

import math
from collections.abc import Collection
from difflib import get_close_matches

from aiohttp import web
from wfmonitor.v1.metrics_service_pb2 import Selector
from wfmonitor.v1.sample_pb2 import Label

from services.gateway.refusal import Refusal

_INT64 = 2**63 - 1


class Params:
    """The parameters of one request; a name that is not in `known` is an error with the nearest known one."""

    def __init__(self, request: web.Request, known: Collection[str]) -> None:
        self._query = request.query
        for name in self._query:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"Did you mean `{near[0]}`?" if near else f"Known: {', '.join(known) or 'none'}."
                raise Refusal(400, name[:80], "it is no parameter of this address.", hint)

    def text(self, name: str, default: str | None = None) -> str:
        """One text; required without a default."""
        values = self._query.getall(name, [])
        if len(values) > 1:
            raise Refusal(400, name, "it stands more than once.", "Send it once.")
        if values:
            return values[0]
        if default is None:
            raise Refusal(400, name, "it is required.", f"Add {name}=… to the address.")
        return default

    def number(self, name: str, default: float, low: float, high: float) -> float:
        """A finite number in [low, high]."""
        text = self.text(name, "")
        if not text:
            return default
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise Refusal(400, name, f"{text[:40]!r} is no number from {low:g} to {high:g}.", "Send such a number.")
        return value

    def integer(self, name: str, default: int = 0, low: int = 0, high: int = _INT64) -> int:
        """A whole number in [low, high]; times are µs since 1970."""
        text = self.text(name, "")
        if not text:
            return default
        if not text.lstrip("-").isdigit() or len(text) > 20 or not low <= int(text) <= high:
            raise Refusal(400, name, f"{text[:40]!r} is no whole number from {low} to {high}.", "Send such a number.")
        return int(text)

    def selector(self) -> Selector:
        """Which series: metric, source, and label=name=value, as often as needed."""
        labels = []
        for text in self._query.getall("label", []):
            name, equals, value = text.partition("=")
            if not equals:
                raise Refusal(400, "label", f"{text[:80]!r} is no name=value.", "Send label=core=3.")
            labels.append(Label(name=name, value=value))
        return Selector(metric=self.text("metric"), source=self.text("source", ""), labels=labels)


SELECTOR = ("metric", "source", "label")
