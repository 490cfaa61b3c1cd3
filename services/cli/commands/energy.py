"""Electric energy by day: what each model took, what went to other programs, and what rest cost.

wfmon energy                    the last seven days
wfmon energy --days 30 --json   one JSON object a day and model

Money needs a tariff: wfmon settings set energy.tariff_per_kwh 0.31 and energy.currency EUR.
"""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING

from bus.home import Home
from services.cli.errors import OK
from services.cli.text import ABSENT, printable, table

if TYPE_CHECKING:
    from wfmonitor.v1.energy_service_pb2 import EnergyShare

_TIMEOUT_S = 20.0
_WORDS = {"idle": "(idle)", "other": "(other programs)"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon energy`."""
    parser.add_argument("--days", type=int, default=7, metavar="N", help="today and the days before it (default 7)")
    parser.add_argument("--json", action="store_true", help="one JSON object a line; without a tariff money is null")


def run(args: argparse.Namespace, home: Home) -> int:
    """Ask the aggregator, and print."""
    from wfmonitor.v1.energy_service_pb2 import ListEnergyDaysRequest
    from wfmonitor.v1.energy_service_pb2_grpc import EnergyServiceStub

    from services.cli.connection import door

    with door(home) as channel:
        asked = ListEnergyDaysRequest(days=max(1, min(args.days, 366)))
        answer = EnergyServiceStub(channel).ListEnergyDays(asked, timeout=_TIMEOUT_S)
    if args.json:
        for share in answer.shares:
            print(json.dumps(as_object(share, answer.currency), ensure_ascii=False))
    elif answer.shares:
        print(table([head(answer.currency), *(line(share) for share in answer.shares)]))
        if not answer.HasField("tariff_per_kwh"):
            print("\nNo money: there is no tariff. wfmon settings set energy.tariff_per_kwh 0.31")
    else:
        print("No energy yet: no power of a GPU or processor package is measured here. See wfmon doctor.")
    return OK


def head(currency: str) -> list[str]:
    """Return the names of the columns."""
    return ["DAY", "WHAT", "ON", "kWh", "JOULES", "J/TOKEN", printable(currency).upper() or "MONEY", "SHARE FOUND"]


def line(share: EnergyShare) -> list[str]:
    """Return one share as cells of a table."""
    tokens = share.tokens if share.HasField("tokens") else 0
    device = share.device if share.kind == "model" else share.name
    return [
        share.day,
        _WORDS.get(share.kind) or printable(share.name),
        printable(device),
        f"{share.joules / 3.6e6:.4f}",
        f"{share.joules:.0f}",
        f"{share.joules / tokens:.2f}" if tokens else ABSENT,
        f"{share.money:.4f}" if share.HasField("money") else ABSENT,
        share.attribution or ABSENT,
    ]


def as_object(share: EnergyShare, currency: str) -> dict[str, object]:
    """Return a share as JSON has it; what is absent is None."""
    return {
        "day": share.day,
        "kind": share.kind,
        "name": share.name,
        "device": share.device,
        "joules": share.joules,
        "attribution": share.attribution or None,
        "tokens": share.tokens if share.HasField("tokens") else None,
        "money": share.money if share.HasField("money") else None,
        "currency": currency or None,
    }
