"""Start the monitor and open its page.

It stays in the foreground, says what changes, and stops everything at Ctrl-C; with --detach it returns once
the page can be opened, and `wfmon down` stops everything.
"""

from __future__ import annotations

import argparse
import signal
import subprocess
import sys
import time
from typing import NoReturn

from bus.home import Home
from services.cli.errors import INTERRUPTED, OK, CliError
from services.cli.launch import NotReady, Start, configure, launch, starting
from services.cli.supervisor import Supervisor, wait_for_end

_STOP_WITHIN_S = 15.0
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon up`."""
    parser.add_argument("--detach", action="store_true", help="return once it is ready, and let it run")
    parser.add_argument("--no-open", action="store_true", help="print the address instead of opening the browser")
    parser.add_argument("--port-base", type=int, metavar="N", help="first of its five ports; kept for the next start")


def run(args: argparse.Namespace, home: Home) -> int:
    """Start, wait, show; then return or stay."""
    supervisor = Supervisor(home)
    if pid := supervisor.pid():
        return already_running(home, pid, args)
    home = configure(home, args.port_base)
    # A closed terminal or a plain kill ends it as Ctrl-C does: in order.
    for number in _ENDING:
        if signal.getsignal(number) is not signal.SIG_IGN:  # nohup wants it to outlive the terminal
            signal.signal(number, end_in_order)
    began_s = time.monotonic()
    with starting(home):
        process = launch(home)
        try:
            wait_and_show(home, process, began_s, browser=not args.no_open)
        except NotReady as error:
            if error.hopeless or args.detach:
                if error.hopeless:
                    end(process)
                raise
            print(f"wfmon: {error}", file=sys.stderr)
        except (CliError, KeyboardInterrupt):
            end(process)
            raise
    if args.detach:
        print("It runs in the background; stop it with: wfmon down")
        return OK
    return stay(home, process)


def end_in_order(*_: object) -> NoReturn:
    """The first signal ends it, in bounded time; a second one would break off the ending, and grpc in the middle of its
    close waits for itself at the exit, for ever.
    """
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def already_running(home: Home, pid: int, args: argparse.Namespace) -> int:
    """Say so, and open the page all the same: that is what was wanted."""
    from services.cli.page import show

    if args.port_base is not None and args.port_base != home.config.port_base:
        raise CliError(
            f"the monitor is already running (pid {pid}) on port {home.config.port_base}; to move it, first: wfmon down"
        )
    print(f"The monitor is already running (pid {pid}) on {home.root}")
    show(home, browser=not args.no_open)
    return OK


def wait_and_show(home: Home, process: subprocess.Popen[bytes], began_s: float, *, browser: bool) -> None:
    """Open the page as soon as the gateway answers, then wait for the rest: a browser takes its time to come
    up.
    """
    start = Start(home, process)
    try:
        start.door()
        from services.cli.page import show

        show(home, browser=browser)
        start.ready()
        print(f"Everything is ready after {time.monotonic() - began_s:.1f} s. Home: {home.root}")
        sys.stdout.flush()
    finally:
        start.close()


def stay(home: Home, process: subprocess.Popen[bytes]) -> int:
    """Say each change until Ctrl-C or the end of supervisord."""
    from services.cli.foreground import Foreground

    print("Ctrl-C stops it.", flush=True)
    try:
        with Foreground(home):
            # Not wait(): where a signal comes to another thread, a system call of this one does not end by it.
            while (code := process.poll()) is None:
                wait_for_end(process.pid, 1.0)
    except KeyboardInterrupt:
        print("\nStopping …", flush=True)
        end(process)
        return INTERRUPTED
    print(f"supervisord has ended (exit code {code}); its log: {home.log / 'supervisord.log'}")
    return OK if code == 0 else 1


def end(process: subprocess.Popen[bytes]) -> None:
    """Stop supervisord, which stops its services in order; whatever hangs is killed by it after five seconds."""
    if process.poll() is None:
        process.terminate()
        if not wait_for_end(process.pid, _STOP_WITHIN_S):
            process.kill()
        process.wait()
