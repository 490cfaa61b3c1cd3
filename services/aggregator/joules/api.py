"""EnergyService: joules and money by day and model."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterable

import grpc
from wfmonitor.v1 import energy_service_pb2 as pb
from wfmonitor.v1.energy_service_pb2_grpc import EnergyServiceServicer

from bus.tariff import Tariff
from services.aggregator.joules.days import MODEL, DayRow
from services.aggregator.joules.split import mainly

_USUAL_DAYS = 7
_MOST_DAYS = 366
_DAY_S = 86_400

Read = Callable[[str], Awaitable[list[DayRow]]]


def day_of(time_s: float) -> str:
    """Return the local day of a moment: "2026-11-24"."""
    return time.strftime("%Y-%m-%d", time.localtime(time_s))


class EnergyApi(EnergyServiceServicer):
    """`read(day)` gives the rows of a day and later, with what came up to now."""

    def __init__(self, read: Read, tariff: Callable[[], Tariff | None], now_s: Callable[[], float] = time.time) -> None:
        self._read = read
        self._tariff = tariff
        self._now_s = now_s

    async def ListEnergyDays(
        self,
        request: pb.ListEnergyDaysRequest,
        context: grpc.aio.ServicerContext[pb.ListEnergyDaysRequest, pb.ListEnergyDaysResponse],
    ) -> pb.ListEnergyDaysResponse:
        """Newest day first, a year at most."""
        days = min(request.days or _USUAL_DAYS, _MOST_DAYS)
        rows = await self._read(day_of(self._now_s() - (days - 1) * _DAY_S))
        tariff = self._tariff()
        answer = pb.ListEnergyDaysResponse(shares=shares_of(rows, tariff))
        if tariff is not None:
            answer.tariff_per_kwh, answer.currency = tariff
        return answer


def shares_of(rows: Iterable[DayRow], tariff: Tariff | None) -> list[pb.EnergyShare]:
    """One share a day, model and kind of device: what was found in several ways is one sum, labelled by `mainly`."""
    sums: defaultdict[tuple[str, str, str, str], list[DayRow]] = defaultdict(list)
    for row in rows:
        sums[row.day, row.kind, row.name, row.device].append(row)
    found = []
    for (day, kind, name, device), parts in sums.items():
        joules = sum(part.joules for part in parts)
        share = pb.EnergyShare(day=day, kind=kind, name=name, device=device, joules=joules)
        if kind == MODEL:
            share.attribution = mainly({part.attribution: part.joules for part in parts})
            share.tokens = sum(part.tokens for part in parts)
        if tariff is not None:
            share.money = tariff.money(joules)
        found.append(share)
    found.sort(key=lambda share: share.joules, reverse=True)
    found.sort(key=lambda share: share.day, reverse=True)
    return found
