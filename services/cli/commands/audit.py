"""Who changed what and when, from the audit chain, and whether that chain is whole.

wfmon audit             the newest rows
wfmon audit --verify    walk the whole chain; exit code 1 where a row was altered, left out or cut off
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bus.home import Home
from services.cli.errors import FAILED, OK
from services.cli.text import clock, printable, table

if TYPE_CHECKING:
    from wfmonitor.v1.control_pb2 import AuditRow
    from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

_TIMEOUT_S = 60.0
_PART = 200


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon audit`."""
    parser.add_argument("-n", "--rows", type=int, default=20, metavar="N", help="how many of the newest (default 20)")
    parser.add_argument("--all", action="store_true", help="all of them, oldest first")
    parser.add_argument("--verify", action="store_true", help="check the whole chain")
    parser.add_argument("--json", action="store_true", help="one JSON object a row, with its hashes")


def run(args: argparse.Namespace, home: Home) -> int:
    """Print rows, or the verdict."""
    from wfmonitor.v1.settings_service_pb2 import VerifyAuditRequest
    from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

    from services.cli.connection import door

    with door(home) as channel:
        stub = SettingsServiceStub(channel)
        verdict = stub.VerifyAudit(VerifyAuditRequest(), timeout=_TIMEOUT_S)
        if args.verify:
            if args.json:
                print(
                    json.dumps(
                        {
                            "intact": verdict.intact,
                            "rows": verdict.rows,
                            "broken_at": verdict.broken_at,
                            "reason": verdict.reason,
                        }
                    )
                )
            elif verdict.intact:
                print(f"The audit chain is whole: {verdict.rows} rows, each fitting the one before it.")
            else:
                print(f"The audit chain is broken at row {verdict.broken_at}: {verdict.reason}")
            return OK if verdict.intact else FAILED
        after = 0 if args.all else max(0, verdict.rows - max(0, args.rows))
        print_rows(rows_after(stub, after), as_json=args.json)
    if not verdict.intact:
        print(f"\nThe chain is broken at row {verdict.broken_at}: {verdict.reason}")
        return FAILED
    return OK


def rows_after(stub: SettingsServiceStub, after: int) -> Iterator[AuditRow]:
    """Yield the rows with a number above `after`, part by part."""
    from wfmonitor.v1.settings_service_pb2 import ListAuditRequest

    while rows := stub.ListAudit(ListAuditRequest(after=after, limit=_PART), timeout=_TIMEOUT_S).rows:
        yield from rows
        after = rows[-1].number


def print_rows(rows: Iterator[AuditRow], *, as_json: bool) -> None:
    """Print rows for people, or one JSON object each."""
    if as_json:
        for row in rows:
            print(json.dumps(as_object(row), ensure_ascii=False))
        return
    lines = [["NO", "WHEN", "BY", "WHAT", ""]]
    for row in rows:
        details = " ".join(f"{name}={value}" for name, value in sorted(row.event.details.items()))
        when = clock(row.event.time_us, date=True)
        lines.append([str(row.number), when, printable(row.event.actor), row.event.type, printable(details)])
    print(table(lines))


def as_object(row: AuditRow) -> dict[str, object]:
    """Return a row as JSON has it; anybody can recompute its hash from it."""
    return {
        "number": row.number,
        "id": row.event.id,
        "time_us": row.event.time_us,
        "actor": row.event.actor,
        "type": row.event.type,
        "details": dict(row.event.details),
        "previous_hash": row.previous_hash.hex(),
        "hash": row.hash.hex(),
    }
