"""`wfmon requests --by client` and `name-client`: who asked, by consent."""

from __future__ import annotations

import argparse
import json
from typing import Any

from wfmonitor.v1 import requests_service_pb2 as pb

from bus.plain import measured
from bus.tariff import Tariff
from services.cli.errors import OK, USAGE, CliError
from services.cli.text import ABSENT, clock, printable, span, table

_TIMEOUT_S = 20.0
_OFF = "Clients are not recorded. You can agree to it: wfmon settings set privacy.record.client true"


def run(stub: Any, args: argparse.Namespace, after_us: int) -> int:
    """Name a client, or print the totals of all."""
    if args.words:
        return _name(stub, args.words[1:])
    answer: pb.ListClientsResponse = stub.ListClients(pb.ListClientsRequest(after_us=after_us), timeout=_TIMEOUT_S)
    if args.json:
        for total in answer.clients:
            print(json.dumps(as_object(total, answer.terms), ensure_ascii=False))
        return OK
    if answer.clients:
        head = ["CLIENT", "REQUESTS", "PROMPT", "OUTPUT", "TIME", "JOULES", "MONEY", "LAST", "HASH"]
        print(table([head, *(line(total, answer.terms) for total in answer.clients)]))
    if not answer.recorded:
        print(_OFF)
    elif not answer.clients:
        print("No client has asked since you agreed to record clients.")
    return OK


def _name(stub: Any, words: list[str]) -> int:
    if len(words) not in (1, 2):
        raise CliError("write: wfmon requests name-client HASH NAME (without a name, its name is taken away)", USAGE)
    client, name = words[0], words[1] if len(words) == 2 else ""
    stub.NameClient(pb.NameClientRequest(client=client, name=name), timeout=_TIMEOUT_S)
    print(f"{printable(client)} is now called {printable(name)}" if name else f"{printable(client)} has no name now")
    return OK


def line(total: pb.ClientTotal, terms: pb.Terms) -> list[str]:
    """Return one client as cells of a table."""
    told = as_object(total, terms)
    return [
        printable(total.name) or "(no name)",
        str(total.requests),
        *(ABSENT if told[name] is None else str(told[name]) for name in ("prompt_tokens", "output_tokens")),
        span(total.e2e_ms / 1000) if total.HasField("e2e_ms") else ABSENT,
        f"{total.joules:.0f}" if total.HasField("joules") else ABSENT,
        ABSENT if told["money"] is None else f"{told['money']:.4f} {printable(terms.currency)}".rstrip(),
        clock(total.newest_us, date=True),
        printable(total.client),
    ]


def as_object(total: pb.ClientTotal, terms: pb.Terms) -> dict[str, Any]:
    """Return a client's totals as JSON has them; what was not measured is None."""
    priced = terms.HasField("tariff_per_kwh") and total.HasField("joules")
    return measured(total) | {
        "money": Tariff(terms.tariff_per_kwh, terms.currency).money(total.joules) if priced else None
    }
