"""The account: what each second of each device goes to, added up by device, model, request and day. Pure."""

import math
from collections import defaultdict, deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from services.aggregator.joules.activity import Activity
from services.aggregator.joules.idle import IdleLevel
from services.aggregator.joules.integral import Piece
from services.aggregator.joules.split import Split, Use, mainly, split

GPU, PACKAGE = "gpu", "package"
Sums = defaultdict[str, float]
# Joules a token are of the last minute: a shorter span jumps with each request's prompt.
PER_TOKEN_S = 60
# A request whose power was not measured for more of its time has no joules.
_MOST_MISSED = 0.05


class Second(NamedTuple):
    """What the devices said of one second."""

    number: int
    pieces: Mapping[str, Piece]
    """Device ("gpu:0", "package-0") → its energy."""
    uses: Mapping[str, Use]
    """Device → what its driver told; tokens and running are filled in here."""
    quiet: Mapping[str, bool]
    """Device → whether it did nothing, as `IdleLevel` means it."""
    off_gpu: frozenset[str] = frozenset()
    """Models that are known to lie in main memory alone."""


@dataclass(slots=True)
class Bill:
    """What one request took so far."""

    joules: Sums = field(default_factory=lambda: Sums(float))
    """Attribution → joules."""
    ran_s: float = 0.0
    missed_s: float = 0.0

    @property
    def total(self) -> float | None:
        """Joules; None where its power was not measured."""
        if not self.ran_s or self.missed_s > _MOST_MISSED * self.ran_s:
            return None
        return sum(self.joules.values())

    @property
    def attribution(self) -> str:
        """How they were found: the least sure way that gave 5 % of them."""
        return mainly(self.joules)


class Account:
    """Counters only grow. `close` takes seconds in order, each once."""

    def __init__(self, activity: Activity) -> None:
        self.models: defaultdict[tuple[str, str, str], float] = defaultdict(float)
        """(model, gpu or package, attribution) → joules."""
        self.tokens: defaultdict[tuple[str, str, str], float] = defaultdict(float)
        """The same keys → output tokens; those of a second stand with the first way its joules were found."""
        self.split: defaultdict[tuple[str, str], float] = defaultdict(float)
        """(device, models | other | idle) → joules."""
        self.idle: dict[str, IdleLevel] = {}
        self.bills: dict[str, Bill] = {}
        self._activity = activity
        self._recent: deque[tuple[int, dict[str, float], dict[str, float]]] = deque()

    def close(self, second: Second) -> None:
        """Share out one second."""
        by_request = dict(self._activity.in_second(second.number))
        tokens, running = Sums(float), Sums(float)
        for request in by_request.values():
            tokens[request.model] += request.tokens.get(second.number, 0)
            running[request.model] += request.running_s(second.number)
        got: dict[str, Sums] = {}
        for device, piece in sorted(second.pieces.items()):  # GPUs stand before packages: "g" before "p"
            out = second.off_gpu if kind_of(device) == GPU else got.keys()
            use = _with(second.uses.get(device, Use()), tokens, running, out)
            self._add(device, self._shares(device, piece, use, second.quiet.get(device, False)), tokens, got)
        measured = any(piece.covered_s > 0.5 for piece in second.pieces.values())
        for id_, request in by_request.items():
            weights = tokens if tokens[request.model] else running
            own = request.tokens.get(second.number, 0) if tokens[request.model] else request.running_s(second.number)
            bill = self.bills.setdefault(id_, Bill())
            bill.ran_s += request.running_s(second.number)
            bill.missed_s += 0.0 if measured else request.running_s(second.number)
            for label, joules in got.get(request.model, {}).items():
                bill.joules[label] += joules * own / weights[request.model]
        self._remember(second.number, {model: sum(shares.values()) for model, shares in got.items()}, tokens)
        self._activity.close(second.number)

    def _shares(self, device: str, piece: Piece, use: Use, quiet: bool) -> Split:
        level = self.idle.setdefault(device, IdleLevel())
        level.observe(piece, quiet)
        if quiet and not any(use.running.values()) and not any(use.tokens.values()):
            use = replace(use, busy=False)
        return split(piece.joules, level.joules(piece), not math.isnan(level.watts), use)

    def _add(self, device: str, shares: Split, tokens: Sums, got: dict[str, Sums]) -> None:
        for model, share in shares.models.items():
            key = (model, kind_of(device), share.attribution)
            self.models[key] += share.joules
            if model not in got:
                self.tokens[key] += tokens.get(model, 0.0)
            got.setdefault(model, Sums(float))[share.attribution] += share.joules
            self.split[device, "models"] += share.joules
        self.split[device, "other"] += shares.other
        self.split[device, "idle"] += shares.idle

    def _remember(self, number: int, joules: dict[str, float], tokens: Sums) -> None:
        self._recent.append((number, joules, dict(tokens)))
        while self._recent[0][0] <= number - PER_TOKEN_S:
            self._recent.popleft()

    def per_token(self, model: str) -> float:
        """Joules an output token over the last minute; NaN without tokens or without joules."""
        tokens = sum(of.get(model, 0) for _, _, of in self._recent)
        joules = sum(of.get(model, 0.0) for _, of, _ in self._recent)
        return joules / tokens if tokens and joules else math.nan

    def take_bill(self, id_: str) -> Bill:
        """Return what a request took, and forget it."""
        return self.bills.pop(id_, Bill())

    def keep_bills(self, ids: Iterable[str]) -> None:
        """Forget the bills of requests that are neither under way nor among `ids`."""
        wanted = self._activity.requests.keys() | set(ids)
        self.bills = {id_: bill for id_, bill in self.bills.items() if id_ in wanted}


def kind_of(device: str) -> str:
    """Return "gpu" or "package"."""
    return GPU if device.startswith("gpu:") else PACKAGE


def _with(use: Use, tokens: Mapping[str, float], running: Mapping[str, float], out: Iterable[str]) -> Use:
    """The use with what our models did in it, without those that are elsewhere."""
    gone = set(out)
    return Use(
        {model: value for model, value in use.utilisation.items() if model not in gone},
        use.processes,
        {model: value for model, value in tokens.items() if model not in gone},
        {model: value for model, value in running.items() if model not in gone},
        use.busy,
        use.alone,
    )
