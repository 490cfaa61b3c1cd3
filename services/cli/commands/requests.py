"""What was asked of models and how it went: the newest requests, those in another order, or one in full.

wfmon requests                  those under way, then the newest
wfmon requests --slow --last 1h the slowest of the last hour
wfmon requests --sort joules    in the order of any column; --reverse turns it, --after ID goes on with the next page
wfmon requests ID               one request, with its waterfall, and what the machine did meanwhile
wfmon requests --last           the last one that ended, in full
wfmon requests --by client      totals by client, where you agreed to record clients
wfmon requests name-client HASH NAME
"""

from __future__ import annotations

import argparse
import json
import time
from typing import TYPE_CHECKING

from bus.home import Home
from bus.targets import Targets
from bus.tariff import Tariff
from services.cli.errors import OK, USAGE, CliError
from services.cli.text import ABSENT, clock, printable, seconds, table

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from wfmonitor.v1.request_pb2 import RequestRecord
    from wfmonitor.v1.requests_service_pb2 import Terms
    from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub

_TIMEOUT_S = 20.0
_THE_LAST = ""
_WIDTH = 48
SORTS = ("time", "model", "ttft", "tpot", "e2e", "prompt", "output", "joules", "outcome")
_BY_ALPHABET = ("model", "outcome")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon requests`."""
    parser.add_argument("words", nargs="*", metavar="ID", help="one request in full; or: name-client HASH NAME")
    parser.add_argument("--by", choices=["client"], help="totals by client in place of requests")
    parser.add_argument("-n", "--rows", type=int, default=20, metavar="N", help="how many (default 20)")
    parser.add_argument(
        "--sort",
        choices=SORTS,
        metavar="COLUMN",
        help=f"in the order of {', '.join(SORTS)}: the greatest first, names by the alphabet (default: time)",
    )
    parser.add_argument("--slow", action="store_const", const="e2e", dest="sort", help="short for --sort e2e")
    parser.add_argument("--reverse", action="store_true", help="the other way round: the least, the oldest first")
    parser.add_argument(
        "--after", default="", metavar="ID", help="go on with the next page: as the last line of this one says"
    )
    parser.add_argument("--model", default="", metavar="NAME", help="of this model only")
    parser.add_argument(
        "--last",
        metavar="T",
        nargs="?",
        const=_THE_LAST,
        help="how far back, as 10m, 1h, 7d (default: all that is kept); without T the last request in full",
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a request; not measured is null")


def run(args: argparse.Namespace, home: Home) -> int:
    """Ask the tap, and print."""
    from wfmonitor.v1 import requests_service_pb2 as pb
    from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub

    from bus.plain import measured
    from services.cli.commands import request_clients as clients
    from services.cli.commands import request_company
    from services.cli.connection import door

    try:
        last_s = seconds(args.last) if args.last else 0.0
    except ValueError as error:
        raise CliError(str(error), USAGE) from None
    if len(args.words) > 1 and args.words[0] != "name-client":
        raise CliError(f"one request at a time, not {len(args.words)}", USAGE)
    after_us = time.time_ns() // 1000 - round(last_s * 1e6) if last_s else 0
    sort, more = args.sort or "time", False
    with door(home) as channel:
        stub = RequestsServiceStub(channel)
        if args.by or args.words[:1] == ["name-client"]:
            return clients.run(stub, args, after_us)
        one = args.words[0] if args.words else _last(stub, args.model) if args.last == _THE_LAST else ""
        if one:
            found = [stub.GetRequest(pb.GetRequestRequest(id=one), timeout=_TIMEOUT_S)]
            terms = stub.ListRequests(pb.ListRequestsRequest(limit=1), timeout=_TIMEOUT_S).terms
        else:
            asked = pb.ListRequestsRequest(
                limit=max(1, min(args.rows, 1000)),
                model=args.model,
                order=sort,
                ascending=(sort in _BY_ALPHABET) is not args.reverse,
                after_id=args.after,
                after_us=after_us,
            )
            answer = stub.ListRequests(asked, timeout=_TIMEOUT_S)
            found, terms, more = list(answer.requests), answer.terms, answer.more
        company = request_company.lines(channel, found[0]) if one and not args.json else []
    if args.json:
        for record in found:
            print(json.dumps(measured(record) | judged(record, terms), ensure_ascii=False))
    elif one:
        print(in_full(found[0], terms))
        if company:
            print(f"\nIn the same seconds\n{table(company)}")
    elif found:
        print(table([_HEAD, *(line(record, terms) for record in found)]))
        if foot := goodput(found, terms):
            print(f"\n{foot}")
        if more:
            print(f"\n{answer.total} in all; those behind these: add --after {answer.next}")
    else:
        print("No requests yet. Lead a client through the tap: wfmon tap setup")
    return OK


def _last(stub: RequestsServiceStub, model: str) -> str:
    """The id of the newest request that ended, of a model or of all."""
    from wfmonitor.v1 import requests_service_pb2 as pb

    newest = stub.ListRequests(pb.ListRequestsRequest(limit=100, model=model), timeout=_TIMEOUT_S).requests
    ended = [record.id for record in newest if record.HasField("e2e_ms")]
    if not ended:
        raise CliError("no request has ended yet; lead a client through the tap: wfmon tap setup")
    return ended[0]


_HEAD = ["WHEN", "MODEL", "TTFT ms", "TPOT ms", "E2E ms", "PROMPT", "OUTPUT", "JOULES", "END", "ID"]
# Beside a value over the person's own target.
_OVER = " ▲"


def line(record: RequestRecord, terms: Terms | None = None) -> list[str]:
    """Return one request as cells of a table; what is over a target is marked."""
    over = targets_of(terms).missed(record)
    running = not record.HasField("e2e_ms")
    inexact = "~" if record.token_source not in ("usage", "timings") else ""
    return [
        clock(record.start_us, date=True),
        printable(record.model),
        value(record, "ttft_ms", 0) + _OVER * ("ttft_ms" in over),
        value(record, "tpot_ms", 2) + _OVER * ("tpot_ms" in over),
        value(record, "e2e_ms", 0),
        value(record, "prompt_tokens", 0),
        value(record, "output_tokens", 0) + inexact,
        value(record, "joules", 0),
        "running" if running else " ".join(filter(None, (record.finish_reason, printable(record.error)))) or ABSENT,
        record.id,
    ]


def value(record: Message, field: str, digits: int) -> str:
    """Return a measured number; an en dash where it was not measured."""
    return f"{getattr(record, field):.{digits}f}" if record.HasField(field) else ABSENT


def targets_of(terms: Terms | None) -> Targets:
    """Return the targets among what requests are judged by."""
    if terms is None:
        return Targets()
    ttft_ms = terms.target_ttft_ms if terms.HasField("target_ttft_ms") else None
    return Targets(ttft_ms, terms.target_tpot_ms if terms.HasField("target_tpot_ms") else None)


def goodput(records: list[RequestRecord], terms: Terms) -> str:
    """Return how many of these met the targets, in a sentence; "" without targets."""
    targets = targets_of(terms)
    judged = [met for record in records if (met := targets.met(record)) is not None]
    if not targets.any:
        return ""
    words = [f"{name} {target:g} ms" for name, target in zip(("TTFT", "TPOT"), targets, strict=True) if target]
    return f"{sum(judged)} of {len(judged)} within your targets ({', '.join(words)}); ▲ is over one"


def judged(record: RequestRecord, terms: Terms) -> dict[str, object]:
    """Return what a record is by the person's own terms; None without them."""
    priced = terms.HasField("tariff_per_kwh") and record.HasField("joules")
    return {
        "within_targets": targets_of(terms).met(record),
        "money": Tariff(terms.tariff_per_kwh, terms.currency).money(record.joules) if priced else None,
        "currency": terms.currency or None,
    }


def in_full(record: RequestRecord, terms: Terms) -> str:
    """Return everything about one request, and where its time went."""
    from bus.plain import measured

    shown = measured(record) | judged(record, terms)
    rows = [[name, _plain(value_)] for name, value_ in shown.items() if name != "stall"]
    return table(rows) + "\n\n" + waterfall(record)


def waterfall(record: RequestRecord) -> str:
    """Return the phases of a request as bars over its length."""
    total = record.e2e_ms
    if not total:
        return "The request is under way."
    lines = []
    for name, begin_ms, length_ms in phases(record):
        first = min(_WIDTH - 1, int(begin_ms / total * _WIDTH))
        cells = max(1, round(length_ms / total * _WIDTH))
        bar = " " * first + "█" * min(cells, _WIDTH - first)
        lines.append([name, bar.ljust(_WIDTH), f"{length_ms:.0f} ms"])
    return table(lines)


def phases(record: RequestRecord) -> list[tuple[str, float, float]]:
    """Return (name, begin, length) in ms, in order; what the runtime did not tell is "until first token"."""
    found: list[tuple[str, float, float]] = []
    at = 0.0
    told: Message = record
    for name in ("queue", "load", "prefill"):
        if told.HasField(f"{name}_ms"):
            length = getattr(record, f"{name}_ms")
            found.append((name, at, length))
            at += length
    if record.HasField("ttft_ms"):
        if record.ttft_ms > at:
            found.append(("until first token", at, record.ttft_ms - at))
        answer_ms = record.ttfa_ms if record.HasField("ttfa_ms") else record.e2e_ms
        if answer_ms > record.ttft_ms:
            found.append(("thinking", record.ttft_ms, answer_ms - record.ttft_ms))
        if record.e2e_ms > answer_ms:
            found.append(("answer", answer_ms, record.e2e_ms - answer_ms))
    elif record.e2e_ms > at:
        found.append(("not streamed", at, record.e2e_ms - at))
    return found + [("stall", stall.at_ms, stall.length_ms) for stall in record.stall]


def _plain(value_: object) -> str:
    if value_ is None or value_ == "":
        return ABSENT
    digits = 6 if isinstance(value_, float) and abs(value_) < 1 else 2
    return f"{value_:.{digits}f}" if isinstance(value_, float) else printable(str(value_))
