"""Open the page in the browser; where that is not possible, print an address that opens it once."""

from __future__ import annotations

import argparse

from bus.home import Home
from services.cli.errors import OK


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`wfmon open` has no options of its own."""


def run(args: argparse.Namespace, home: Home) -> int:
    """Open or print."""
    from services.cli.page import show

    show(home, browser=True)
    return OK
