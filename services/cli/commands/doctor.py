"""Look for what is wrong, and say how to mend it. Exit code 1 where something fails; a warning is none."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict

from bus.home import Home
from services.cli.checks import CHECKS, Check, Finding
from services.cli.errors import FAILED, OK

_COLOURS = {"ok": "32", "warn": "33", "fail": "31"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of `wfmon doctor`."""
    parser.add_argument("--json", action="store_true", help="one JSON object a finding")


def run(args: argparse.Namespace, home: Home) -> int:
    """Make every check and print each finding as it is found."""
    levels = []
    for check in CHECKS:
        for finding in findings(check, home):
            levels.append(finding.level)
            print(json.dumps(asdict(finding)) if args.json else line(finding, colour=sys.stdout.isatty()), flush=True)
    if not args.json:
        print(f"\n{levels.count('ok')} ok, {levels.count('warn')} warnings, {levels.count('fail')} failures")
    return FAILED if "fail" in levels else OK


def findings(check: Check, home: Home) -> Iterator[Finding]:
    """Yield what a check finds; one that breaks down is a finding itself and stops no other."""
    try:
        yield from check(home)
    except Exception as error:
        yield Finding("fail", check.__name__, f"this check broke down: {type(error).__name__}: {error}")


def line(finding: Finding, *, colour: bool) -> str:
    """Return a finding as a line, its mend below it."""
    word = f"{finding.level:4}"
    if colour:
        word = f"\x1b[{_COLOURS[finding.level]}m{word}\x1b[0m"
    mend = f"\n      → {finding.mend}" if finding.mend else ""
    return f"{word}  {finding.subject}: {finding.seen}{mend}"
