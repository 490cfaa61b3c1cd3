"""Goodput: the share of each model's requests that met the person's targets, over those that ended in the last minutes.

Beside the joules because both are told once a second of what requests were like. Pure.
"""

from collections import deque

from bus.series import Series

WINDOW_S = 300
_MOST = 10_000

Row = dict[Series, float]


class Goodput:
    """`heard` requests that could be judged; `rows` of the models that had one within the window."""

    def __init__(self) -> None:
        self._judged: dict[str, deque[tuple[float, bool]]] = {}

    def heard(self, model: str, met: bool, now_s: float) -> None:
        """A request ended."""
        self._judged.setdefault(model, deque(maxlen=_MOST)).append((now_s, met))

    def forget(self) -> None:
        """The targets changed: what was judged by the old ones says nothing."""
        self._judged.clear()

    def rows(self, now_s: float) -> dict[str, Row]:
        """Source → model.goodput_ratio over (now − 5 min, now]; a model without a request in it has none."""
        found: dict[str, Row] = {}
        for model, judged in list(self._judged.items()):
            while judged and judged[0][0] <= now_s - WINDOW_S:
                judged.popleft()
            if not judged:
                del self._judged[model]
                continue
            source = f"model:{model}"
            found[source] = {Series("model.goodput_ratio", source): sum(met for _, met in judged) / len(judged)}
        return found
