"""Chromium of the system, in which the page is looked at: `make test` installs it."""

from __future__ import annotations

import os
import shutil

NAMES = ("chromium", "chromium-browser", "google-chrome")
# A root user (containers, CI) has no user namespaces for the sandbox.
ARGUMENTS = ["--no-sandbox"] if os.geteuid() == 0 else []


def chromium() -> str:
    """The program's path, or what CHROMIUM names. Raises FileNotFoundError that says how to get one."""
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        raise FileNotFoundError("no Chromium found: install it (apt install chromium) or name one in CHROMIUM")
    return program
