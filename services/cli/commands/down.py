"""Stop the monitor: every service ends in order, nothing measured is lost."""

from __future__ import annotations

import argparse

from bus.home import Home
from services.cli.errors import OK
from services.cli.supervisor import Supervisor

_WITHIN_S = 15.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`wfmon down` has no options of its own."""


def run(args: argparse.Namespace, home: Home) -> int:
    """Stop; where nothing runs, that is so already."""
    supervisor = Supervisor(home)
    if supervisor.pid() is None:
        print(f"The monitor is not running on {home.root}")
        return OK
    supervisor.stop(_WITHIN_S)
    print("Stopped.")
    return OK
