"""List, change and undo settings. Each change is recorded, and can be taken back.

wfmon settings                                   all of them, with what they mean
wfmon settings get collector.rate.resource_hz
wfmon settings set collector.rate.resource_hz 20
wfmon settings set storage.budget_bytes 4GB
wfmon settings changes                           the newest changes, with their ids
wfmon settings undo ID
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING

from bus.home import Home
from services.cli.errors import FAILED, OK, USAGE, CliError
from services.cli.options import add_home
from services.cli.text import clock, printable, table
from services.cli.typed_value import shown, typed

if TYPE_CHECKING:
    from wfmonitor.v1.settings_service_pb2 import ChangeResponse
    from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

    from bus.settings_catalogue import SettingSpec

ACTOR = "person:cli"
# So long a target may take to obey before we say that its answer is still out.
_WAIT_S = 3.0
_TIMEOUT_S = 10.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The words after `wfmon settings`."""
    # The words below must not set these back to their defaults: argparse lets the inner parser win.
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--json", action="store_true", default=argparse.SUPPRESS, help="print JSON")
    add_home(common)
    parser.add_argument("--json", action="store_true", help="print JSON")
    words = parser.add_subparsers(dest="word", metavar="WORD")
    listing = words.add_parser("list", parents=[common], help="all settings, or those below a prefix")
    listing.add_argument("prefix", nargs="?", default="", help="as collector.rate")
    getting = words.add_parser("get", parents=[common], help="one setting with all that is known of it")
    getting.add_argument("key")
    setting = words.add_parser("set", parents=[common], help="change a setting")
    setting.add_argument("key")
    setting.add_argument("value", help="as 20, on, off, 4GB, strict")
    setting.add_argument("--agree", action="store_true", help="give the consent it needs without being asked")
    changes = words.add_parser("changes", parents=[common], help="the newest changes, of one setting or of all")
    changes.add_argument("key", nargs="?", default="")
    undo = words.add_parser("undo", parents=[common], help="take a change back")
    undo.add_argument("change", metavar="ID", help="as `wfmon settings changes` shows it")


def run(args: argparse.Namespace, home: Home) -> int:
    """Open the door and do the word."""
    from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

    from services.cli.connection import door

    words = {"list": list_all, "get": get, "set": set_value, "changes": changes, "undo": undo}
    args.prefix = getattr(args, "prefix", "")
    with door(home) as channel:
        return words[args.word or "list"](args, SettingsServiceStub(channel))


def list_all(args: argparse.Namespace, stub: SettingsServiceStub) -> int:
    """Print key, value and meaning; a star marks what is not the default."""
    from wfmonitor.v1.settings_service_pb2 import ListSettingsRequest

    answer = stub.ListSettings(ListSettingsRequest(prefix=args.prefix), timeout=_TIMEOUT_S)
    if args.json:
        print(json.dumps({setting.key: json.loads(setting.value) for setting in answer.settings}))
        return OK
    rows = [
        [
            setting.key,
            ("* " if setting.value != setting.default_value else "  ") + shown(setting.value, setting.unit),
            setting.meaning,
        ]
        for setting in answer.settings
    ]
    print(table(rows))
    if any(row[1].startswith("*") for row in rows):
        print("\n* changed from its default; wfmon settings changes tells by whom")
    return OK


def get(args: argparse.Namespace, stub: SettingsServiceStub) -> int:
    """Print everything about one setting; with --json its value alone."""
    from wfmonitor.v1.settings_service_pb2 import ListSettingsRequest

    spec = find(args.key)
    answer = stub.ListSettings(ListSettingsRequest(prefix=args.key), timeout=_TIMEOUT_S)
    setting = next(one for one in answer.settings if one.key == args.key)
    if args.json:
        print(setting.value)
        return OK
    rows = [
        ["value", shown(setting.value, setting.unit)],
        ["default", shown(setting.default_value, setting.unit)],
        ["meaning", setting.meaning],
        ["live", setting.live_effect],
        ["obeyed by", setting.target],
    ]
    if setting.choices:
        rows.append(["choices", ", ".join(setting.choices)])
    if spec.minimum is not None and spec.maximum is not None:
        rows.append(["range", f"{spec.minimum:.15g} to {spec.maximum:.15g} {setting.unit}"])
    if spec.consent:
        rows.append(["consent", f"{spec.consent}: “{spec.wording}”"])
    print(f"{setting.key}\n{table(rows)}")
    return OK


def set_value(args: argparse.Namespace, stub: SettingsServiceStub) -> int:
    """Change one setting, asking for the consent it needs."""
    from wfmonitor.v1.settings_service_pb2 import ChangeRequest

    from bus.settings_catalogue import SettingError, to_json

    spec = find(args.key)
    try:
        value = typed(spec, args.value)
    except SettingError as error:
        raise CliError(str(error), USAGE) from None
    if spec.consent and value is True:
        return give_consent(spec, stub, args)
    request = ChangeRequest(key=args.key, value=to_json(value), actor=ACTOR, wait_s=_WAIT_S)
    return report(stub.Change(request, timeout=_TIMEOUT_S), args.json)


def give_consent(spec: SettingSpec, stub: SettingsServiceStub, args: argparse.Namespace) -> int:
    """Ask for the consent a setting needs, and give it; the setting goes on with it."""
    from wfmonitor.v1.settings_service_pb2 import SetConsentRequest

    if not args.agree:
        if not sys.stdin.isatty():
            raise CliError(f"{spec.key} needs your agreement: “{spec.wording}” Say so with --agree")
        print(spec.wording)
        if input("Do you agree? [y/N] ").strip().lower() not in ("y", "yes"):
            print("Nothing was changed.")
            return FAILED
    request = SetConsentRequest(target=spec.consent or "", given=True, wording=spec.wording, actor=ACTOR)
    consent = stub.SetConsent(request, timeout=_TIMEOUT_S)
    if args.json:
        print(json.dumps({"consent": consent.target, "given": consent.given, "time_us": consent.time_us}))
    else:
        print(f"{spec.key} is on now, by your agreement. Withdraw it with: wfmon settings set {spec.key} off")
    return OK


def undo(args: argparse.Namespace, stub: SettingsServiceStub) -> int:
    """Take a change back."""
    from wfmonitor.v1.settings_service_pb2 import UndoRequest

    return report(stub.Undo(UndoRequest(change_id=args.change, actor=ACTOR), timeout=_TIMEOUT_S), args.json)


def changes(args: argparse.Namespace, stub: SettingsServiceStub) -> int:
    """Print the newest changes first."""
    from wfmonitor.v1.settings_service_pb2 import ListChangesRequest

    answer = stub.ListChanges(ListChangesRequest(key=args.key, limit=50), timeout=_TIMEOUT_S)
    if args.json:
        for change in answer.changes:
            print(
                json.dumps(
                    {
                        "id": change.id,
                        "time_us": change.time_us,
                        "key": change.key,
                        "from": json.loads(change.undo),
                        "to": json.loads(change.value),
                        "actor": change.actor,
                    }
                )
            )
        return OK
    if not answer.changes:
        print("Nothing was ever changed.")
        return OK
    rows = [["WHEN", "ID", "SETTING", "FROM", "TO", "BY"]]
    for change in answer.changes:
        when = clock(change.time_us, date=True)
        rows.append([when, change.id, change.key, change.undo, change.value, printable(change.actor)])
    print(table(rows))
    return OK


def find(key: str) -> SettingSpec:
    """Return a setting of the catalogue. Raises CliError with the nearest key."""
    from bus.settings_catalogue import UnknownSetting
    from bus.settings_catalogue import find as in_catalogue

    try:
        return in_catalogue(key)
    except UnknownSetting as error:
        raise CliError(str(error), USAGE) from None


def report(response: ChangeResponse, as_json: bool) -> int:
    """Say what came of a change; a refusal is a failure."""
    change, result = response.change, response.result
    answered = response.HasField("result")
    if as_json:
        state = {"id": change.id, "key": change.key, "from": json.loads(change.undo), "to": json.loads(change.value)}
        outcome = ("applied" if result.applied else "refused") if answered else "unanswered"
        print(json.dumps({**state, "outcome": outcome, "reason": result.reason if answered else ""}))
    elif not answered:
        print(
            f"{change.key} is {change.value} now (was {change.undo}). The service it belongs to has not answered "
            f"yet; it obeys when it can. Take it back with: wfmon settings undo {change.id}"
        )
    elif not result.applied:
        print(
            f"wfmon: {result.target} refused: {printable(result.reason)}. {change.key} is as before.", file=sys.stderr
        )
    elif not change.id:
        print(f"{change.key} is {change.value} already.")
    else:
        print(f"{change.key} is {change.value} now (was {change.undo}).")
        print(f"Take it back with: wfmon settings undo {change.id}")
    return FAILED if answered and not result.applied else OK
