"""The tap between your programs and your models.

wfmon tap setup           what listens where and who points where; with one yes, programs go through the tap
wfmon tap setup --yes     the same without being asked; --undo takes it back, file by file
wfmon tap setup --print   only the lines for a shell, for eval; nothing is written
wfmon tap test            one short request through the tap, and where its time went
wfmon tap routes          where requests go
wfmon tap routes --set NAME http://127.0.0.1:PORT    a model, a /prefix, or / for the default; --unset NAME
"""

from __future__ import annotations

import argparse
import json
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import TYPE_CHECKING

from bus.home import Home
from services.cli.errors import FAILED, OK, USAGE, CliError
from services.cli.options import add_home, add_key, key_of
from services.cli.text import ABSENT, printable, table

if TYPE_CHECKING:
    import grpc
    from wfmonitor.v1.requests_service_pb2 import Route

_TIMEOUT_S = 20.0
_SETTING = "tap.routes"
_TEST_S = 120.0
_TEST_TOKENS = 24
_ASK_EVERY_S = 0.05
_ASK_AGAIN = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon tap`."""
    words = parser.add_subparsers(dest="word", required=True, metavar="setup | test | routes")
    setup = words.add_parser("setup", help="lead programs through the tap")
    how = setup.add_mutually_exclusive_group()
    how.add_argument("--print", action="store_true", dest="only_lines", help="only the lines for a shell")
    how.add_argument("--yes", action="store_true", help="write without asking")
    how.add_argument("--undo", action="store_true", help="restore the files that were written")
    test = words.add_parser("test", help="send one short request through the tap")
    test.add_argument("--model", default="", metavar="NAME", help="which model (default: one in memory that chats)")
    test.add_argument("--load", action="store_true", help="agree to load one where none that chats is in memory")
    add_key(test)
    routes = words.add_parser("routes", help="where requests go")
    routes.add_argument("--set", nargs=2, metavar=("NAME", "URL"), help="lead a model, a /prefix or / to an address")
    routes.add_argument("--unset", metavar="NAME", help="forget a route that was set")
    routes.add_argument("--json", action="store_true", help="one JSON object a route")
    for word in (setup, test, routes):
        add_home(word)


def run(args: argparse.Namespace, home: Home) -> int:
    """Do one of the three."""
    from services.cli.clients import setup
    from services.cli.connection import door

    if args.word == "setup" and args.undo:
        return setup.undo(home)
    with door(home) as channel:
        if args.word == "setup":
            return setup.setup(home, list(_routes(channel)), only_lines=args.only_lines, yes=args.yes)
        if args.word == "test":
            if args.key_env and not args.model:
                raise CliError("name the model whose runtime wants the key: wfmon tap test --model NAME …", USAGE)
            return test(home, channel, args.model, load=args.load, key=key_of(args))
        if args.set or args.unset is not None:
            change(channel, *(args.set or (args.unset, None)))
        found = list(_routes(channel))
    if args.json:
        for route in found:
            print(json.dumps(_as_object(route), ensure_ascii=False))
    elif found:
        print(table([["MODEL OR PREFIX", "LEADS TO", "RUNTIME", ""], *(_cells(route) for route in found)]))
    else:
        print("No runtime was found and no route is set. Start one, or: wfmon tap routes --set / http://127.0.0.1:PORT")
    return OK


def test(home: Home, channel: grpc.Channel, model: str, *, load: bool, key: str) -> int:
    """Send one short streamed request, and print its record; `load`: a model may be loaded for it, unnamed."""
    from wfmonitor.v1 import requests_service_pb2 as pb
    from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub

    from services.cli.commands import tap_model
    from services.cli.commands.requests import waterfall

    routes = list(_routes(channel, ask=True))
    agreed, model = load or bool(model), model or tap_model.choose(routes)
    if tap_model.is_away(routes, model):
        tap_model.agree_to_load(model, agreed=agreed)
    print(f"Asking {printable(model)} for {_TEST_TOKENS} tokens through the tap …")
    since_us, began_s = time.time_ns() // 1000, time.monotonic()
    _ask(f"http://127.0.0.1:{home.ports.tap}/v1/chat/completions", model, key)
    took_ms = (time.monotonic() - began_s) * 1e3
    stub = RequestsServiceStub(channel)
    # The record is kept within a tenth of a second of the answer's end; it is waited for by asking.
    for _ in range(_ASK_AGAIN):
        asked = pb.ListRequestsRequest(after_us=since_us, limit=1000)
        if listed := stub.ListRequests(asked, timeout=_TIMEOUT_S, wait_for_ready=True).requests:
            # Others may ask at the same time; ours is the one that took as long as we waited.
            record = min(listed, key=lambda one: abs(one.e2e_ms - took_ms))
            break
        time.sleep(_ASK_EVERY_S)
    else:
        raise CliError("the request went through, but no record of it came; see wfmon status for the tap")
    rows = [
        ["until the first token", f"{record.ttft_ms:.0f} ms" if record.HasField("ttft_ms") else ABSENT],
        ["a token", f"{record.tpot_ms:.2f} ms" if record.HasField("tpot_ms") else ABSENT],
        ["tokens", f"{record.output_tokens} ({record.token_source})" if record.HasField("output_tokens") else ABSENT],
        ["ended by", record.finish_reason or ABSENT],
    ]
    print(table(rows) + "\n\n" + waterfall(record))
    return OK if record.status == 200 and record.finish_reason != "error" else FAILED


def _ask(url: str, model: str, key: str) -> None:
    body = {
        "model": model,
        "stream": True,
        "stream_options": {"include_usage": True},
        "max_tokens": _TEST_TOKENS,
        "messages": [{"role": "user", "content": "Count from one to ten."}],
    }
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)  # noqa: S310 - our own loopback address
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_TEST_S) as answer:
            while answer.read(65536):
                pass
    except urllib.error.HTTPError as error:
        mend = (
            f"; with its API key: wfmon tap test --model {printable(model)} --key-env NAME"
            if error.code in (401, 403)
            else ""
        )
        raise CliError(f"the runtime refused the request: {_message(error)}{mend}") from None
    except OSError as error:
        raise CliError(f"no answer through the tap: {error}; see wfmon status") from None


def _message(error: urllib.error.HTTPError) -> str:
    try:
        return f"HTTP {error.code}, {json.load(error)['error']['message']}"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.code}"


def change(channel: grpc.Channel, name: str, url: str | None) -> None:
    """Set or forget one route; the tap itself judges it."""
    from wfmonitor.v1 import settings_service_pb2 as pb
    from wfmonitor.v1.settings_service_pb2_grpc import SettingsServiceStub

    stub = SettingsServiceStub(channel)
    listed = stub.ListSettings(pb.ListSettingsRequest(prefix=_SETTING), timeout=_TIMEOUT_S).settings
    text = json.loads(next(setting.value for setting in listed if setting.key == _SETTING))
    routes: dict[str, str] = json.loads(text) if text else {}
    key = "" if name == "/" else name
    if url is not None:
        routes[key] = url
    elif routes.pop(key, None) is None:
        known = ", ".join(one or "/" for one in routes) or "none"
        raise CliError(f"no route {name!r} is set; there are: {known}", USAGE)
    value = json.dumps(json.dumps(routes, ensure_ascii=False) if routes else "")
    asked = pb.ChangeRequest(key=_SETTING, value=value, actor="person:cli", wait_s=3.0)
    answer = stub.Change(asked, timeout=_TIMEOUT_S)
    if answer.HasField("result") and not answer.result.applied:
        raise CliError(answer.result.reason)


def _routes(channel: grpc.Channel, *, ask: bool = False) -> Iterator[Route]:
    from wfmonitor.v1.requests_service_pb2 import ListRoutesRequest
    from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub

    yield from RequestsServiceStub(channel).ListRoutes(ListRoutesRequest(ask=ask), timeout=_TIMEOUT_S).routes


def _cells(route: Route) -> list[str]:
    how = "found" if route.found else "set" if route.answers else "set; not seen to answer"
    return [printable(route.prefix) or "/ (default)", route.upstream, route.runtime or ABSENT, how]


def _as_object(route: Route) -> dict[str, object]:
    # What runtimes were not asked for is left out.
    return {field.name: getattr(route, field.name) for field in route.DESCRIPTOR.fields if not field.has_presence}
