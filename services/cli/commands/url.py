"""Print an address that opens the page once, within five minutes."""

from __future__ import annotations

import argparse

from bus.home import Home
from services.cli.errors import OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`wfmon url` has no options of its own."""


def run(args: argparse.Namespace, home: Home) -> int:
    """Print it, alone on standard output."""
    from services.cli.page import one_use_address

    print(one_use_address(home))
    return OK
