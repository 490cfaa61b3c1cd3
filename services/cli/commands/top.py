"""This machine live in the terminal: load, memory, disks, networks, GPUs, processes, and the monitor's own services.

q quits, space holds the picture; c, m, d and g sort the processes by CPU, memory, disk and GPU memory.
"""

from __future__ import annotations

import argparse
import sys

from bus.home import Home
from services.cli.errors import FAILED, OK, CliError
from services.cli.supervisor import Supervisor


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`wfmon top` has no options of its own."""


def run(args: argparse.Namespace, home: Home) -> int:
    """Show it until q."""
    supervisor = Supervisor(home)
    if supervisor.pid() is None:
        raise supervisor.not_running()
    if not sys.stdout.isatty():
        raise CliError("top draws on a terminal; for a pipe or a file there is: wfmon watch METRIC.STAT --json")
    from services.cli.top.app import Top

    app = Top(home)
    app.run()
    return FAILED if app.return_code else OK
