"""make demo: real tokens on the page without any model installed.

It builds llama.cpp once (some minutes, kept), makes two tiny models of random weights, serves them, starts the
monitor where it does not run, talks to both models through the tap for a while, and stops what it started.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from wfmonitor.v1.requests_service_pb2 import ListRoutesRequest
from wfmonitor.v1.requests_service_pb2_grpc import RequestsServiceStub

from bus.home import Home, HomeError
from demo.load import Answered, Bounds, Load
from demo.runtime import CannotBuild, Runtime
from demo.serve import CannotServe, free_ports, serving
from services.cli.errors import CliError
from services.cli.supervisor import Supervisor

MODELS = ("demo-small", "demo-large")
_FOUND_WITHIN_S = 30.0
_INTERRUPTED = 130


class CannotShow(Exception):
    """The demonstration cannot go on; the text says why and the mend."""


def main() -> int:
    """Run it; return the exit code."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--home", metavar="DIR", help="folder of the monitor's data, keys and logs")
    parser.add_argument("--port-base", type=int, metavar="N", help="first of the monitor's five ports, where it starts")
    parser.add_argument("--no-open", action="store_true", help="do not open the page in a browser")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long the models are talked to (default 180)")
    parser.add_argument("--requests", type=int, default=400, help="how many requests at most (default 400)")
    parser.add_argument("--only-build", action="store_true", help="build llama.cpp with its llama-server, and stop")
    args = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    try:
        if args.only_build:
            Runtime().prepare(llama_server=True)
        else:
            show(args)
    except KeyboardInterrupt:
        print("\nStopped.")
        return _INTERRUPTED
    except (CannotBuild, CannotServe, CannotShow, CliError, HomeError) as error:
        print(f"make demo: {error}", file=sys.stderr)
        return 1
    return 0


def show(args: argparse.Namespace) -> None:
    """From nothing to tokens on the page, and back."""
    runtime = Runtime()
    runtime.prepare()
    home = Home.resolve(args.home)
    with (
        tempfile.TemporaryDirectory(prefix="wfmon-demo-") as logs,
        monitor(home, args),
        serving(runtime, MODELS, free_ports(len(MODELS)), Path(logs)) as servers,
    ):
        for server in servers:
            print(f"{server.model} (a demo model, random weights) answers on {server.url}")
        home = Home(home.root)  # its ports are known now
        wait_for_routes(home, MODELS)
        print(f"Talking to them through the tap for {args.seconds:.0f} s; Ctrl-C stops it.", flush=True)
        load = Load(f"http://127.0.0.1:{home.ports.tap}", tell)
        try:
            asyncio.run(load.run(MODELS, Bounds(args.seconds, args.requests)))
        except* RuntimeError as group:
            raise CannotShow(f"{group.exceptions[0]}; what runs says: wfmon status") from group
        finally:
            tally = load.tally
            print(f"{tally.tokens} tokens in {tally.requests} requests, {tally.failures} failed.", flush=True)


@contextmanager
def monitor(home: Home, args: argparse.Namespace) -> Iterator[None]:
    """Have the monitor run while inside; one that ran before goes on afterwards."""
    ran_before = Supervisor(home).pid() is not None
    begin = ["up", "--detach"] + (["--no-open"] if args.no_open else [])
    if args.port_base is not None:
        begin += ["--port-base", str(args.port_base)]
    try:
        if wfmon(home, *begin):
            raise CannotShow("the monitor did not start; its reason stands above")
        yield
    finally:
        if not ran_before:
            wfmon(home, "down")


def wfmon(home: Home, *words: str) -> int:
    """Run one command of the monitor's own tool on `home`; return its exit code."""
    command = [sys.executable, "-m", "services.cli", "--home", str(home.root), *words]
    # Ctrl-C is ours to handle: a command that stops things must come to its end.
    return subprocess.run(command, check=False, start_new_session=words == ("down",)).returncode


def wait_for_routes(home: Home, models: tuple[str, ...]) -> None:
    """Return once the tap has found the models by itself. Raises CannotShow."""
    until_s = time.monotonic() + _FOUND_WITHIN_S
    with grpc.insecure_channel(f"unix:{home.socket('tap')}") as channel:
        requests = RequestsServiceStub(channel)
        while True:
            try:
                answer = requests.ListRoutes(ListRoutesRequest(), timeout=2.0, wait_for_ready=True)
            except grpc.RpcError as error:
                reason = f"it does not answer: {error.code().name}"
            else:
                found = {route.prefix for route in answer.routes if route.found}
                if found >= set(models):
                    return
                reason = f"it has found {', '.join(sorted(found)) or 'none'}"
            if time.monotonic() > until_s:
                raise CannotShow(
                    f"the tap has not found the demo's models within {_FOUND_WITHIN_S:.0f} s ({reason}); "
                    "is `tap.find` on? wfmon settings tap.find"
                )
            time.sleep(0.2)  # the tap looks each 10 s and tells nobody


def tell(answered: Answered) -> None:
    """One line for a person who looks on."""
    rate = answered.tokens / answered.seconds if answered.seconds else 0.0
    print(
        f"  {answered.model}: {answered.tokens} tokens in {answered.seconds:.2f} s"
        f" ({rate:.0f}/s), the first after {answered.first_ms:.0f} ms",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
