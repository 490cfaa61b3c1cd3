"""What each request cost: its bill, once the seconds in which it ran are complete. Pure."""

from collections.abc import Callable, Iterator

from wfmonitor.v1.request_pb2 import RequestCost, RequestRecord

from services.aggregator.joules.account import Account
from services.aggregator.joules.activity import Activity
from services.aggregator.joules.integral import SECOND_US

MeanEnergy = Callable[[RequestRecord], float | None]
"""E(t) over a generation, without unit (CONTRACTS §2); None: not known."""
_MOST_WAITING = 4096


class Costs:
    """`heard` each record, and send what `due` gives."""

    def __init__(self, account: Account, activity: Activity, energy_mean: MeanEnergy) -> None:
        self._account = account
        self._activity = activity
        self._energy_mean = energy_mean
        self._waiting: dict[str, tuple[int | None, RequestRecord, float | None]] = {}

    def heard(self, record: RequestRecord, powered: bool) -> None:
        """A request ended. Told twice is told once."""
        energy_mean = self._energy_mean(record)
        ended_us = self._activity.record(record) if powered else None
        if record.id in self._waiting or (ended_us is None and energy_mean is None):
            return
        if len(self._waiting) >= _MOST_WAITING:
            del self._waiting[next(iter(self._waiting))]
        self._waiting[record.id] = (ended_us, record, energy_mean)

    def due(self, closed: int) -> Iterator[tuple[RequestRecord, RequestCost]]:
        """(record, its cost) of those whose seconds are closed up to and with `closed`, each once."""
        for id_, (ended_us, record, energy_mean) in list(self._waiting.items()):
            if ended_us is not None and ended_us // SECOND_US > closed:
                continue
            del self._waiting[id_]
            cost = RequestCost(id=id_, model=record.model)
            bill = self._account.take_bill(id_)
            if ended_us is not None and (joules := bill.total) is not None:
                cost.joules, cost.joules_attribution = joules, bill.attribution
            if energy_mean is not None:
                cost.energy_mean = energy_mean
            if cost.HasField("joules") or cost.HasField("energy_mean"):
                yield record, cost
        self._account.keep_bills(self._waiting)
