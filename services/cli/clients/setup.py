"""`wfmon tap setup`: shows who listens and who points where, moves programs with one yes, and takes it back."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from bus.home import Home
from bus.runtime_names import OLLAMA
from services.cli.clients import keys, shell
from services.cli.clients.address import OLLAMA_PORT, Tap, port_of
from services.cli.clients.files import Unfit
from services.cli.clients.journal import Journal
from services.cli.clients.survey import Change, survey
from services.cli.errors import FAILED, OK
from services.cli.text import ABSENT, printable, table

if TYPE_CHECKING:
    from wfmonitor.v1.requests_service_pb2 import Route

_SCRIPT = "tap.env.sh"


def setup(home: Home, routes: Sequence[Route], *, only_lines: bool, yes: bool) -> int:
    """Show, ask once, write; `only_lines` prints what a shell would be told, and nothing else."""
    ports = {port: route.runtime for route in routes if (port := port_of(route.upstream)) is not None}
    ollamas = {OLLAMA_PORT, *(port for port, runtime in ports.items() if runtime == OLLAMA)}
    tap = Tap(home.ports.tap, ports.keys(), ollamas)
    if only_lines:
        print(shell.script(tap, os.environ, keys.paid(Path.home(), os.environ)), end="")
        return OK
    changes = survey(Path.home(), os.environ, tap, home.root / _SCRIPT)
    print(_listening(routes, tap) + "\n\n" + _pointing(changes, tap))
    to_write = [change for change in changes if change.after is not None and _differs(change)]
    print(f"\n{_HINTS.format(url=tap.url)}")
    if not to_write:
        print("\nNothing is left to move.")
        return OK
    print("\nTo be written:\n" + "\n".join(f"  {_short(change.path)}" for change in to_write))
    if not yes and not _agreed():
        print("\nNothing was changed. With one yes: wfmon tap setup --yes")
        return OK
    return _write(Journal(home.root), to_write)


def undo(home: Home) -> int:
    """Take back what was written; say of each file that changed since how to do it by hand."""
    journal = Journal(home.root)
    failed = 0
    if not journal.entries():
        print("Nothing was written by wfmon tap setup, or all of it was taken back.")
        return OK
    for entry, why in journal.undo():
        failed += bool(why)
        print(f"{_short(Path(entry.path))}: {f'left as it is, since {why}; {entry.mend}' if why else 'as it was'}")
    if failed:
        print(f"\n{failed} of them are for you; then once more: wfmon tap setup --undo")
        return FAILED
    print("\nPrograms that run, and shells that are open, keep the tap until they are started again.")
    return OK


_HINTS = """\
Open WebUI keeps its addresses in its own database once it has run: Admin, Settings, Connections:
  the port of each runtime comes behind the tap's address, as {url}/port/8080/v1, {url}/port/11434
OLLAMA_HOST moves a server as well: as a service it is not touched, and `ollama serve` from a shell keeps its own.
While the monitor is down, programs that were moved get no answer; back: wfmon tap setup --undo"""


def _listening(routes: Sequence[Route], tap: Tap) -> str:
    found = {route.upstream: route for route in routes}
    rows = [["LISTENS AT", "WHAT"], [tap.url, "the tap"]]
    rows += [
        [url, route.runtime or ("a runtime" if route.answers else "set, not seen to answer")]
        for url, route in found.items()
    ]
    text = table(rows)
    if not found:
        text += "\nNo model runtime was found; name yours: wfmon tap routes --set / http://127.0.0.1:PORT"
    return text


def _pointing(changes: Sequence[Change], tap: Tap) -> str:
    rows = [["PROGRAM", "WHERE", "SAYS NOW", "WOULD SAY"]]
    for change in changes:
        where = _short(change.path)
        if change.why_not:
            rows.append([change.name, where, ABSENT, f"stays: {change.why_not}"])
        elif change.name == "shell":
            rows.append(
                [change.name, where, ABSENT, "takes the lines below" if change.after is not None else "as it is"]
            )
        elif not change.values:
            rows.append([change.name, where, "no address", "stays"])
        for value in change.values:
            says = f"{value.key}: {_plain(value.was)}" if value.was else f"no {value.key}"
            rows.append([change.name, where, says, value.now or _stays(value.was, tap)])
    lines = []
    for line in shell.lines(tap, os.environ, keys.paid(Path.home(), os.environ)):
        now = os.environ.get(line.name)
        lines.append(
            [line.name, _plain(now) if now else ABSENT, f"stays: {line.why_not}" if line.why_not else line.value]
        )
    return table(rows) + "\n\n" + table([["VARIABLE", "HERE NOW", "WOULD BE"], *lines])


def _stays(address: str, tap: Tap) -> str:
    if tap.leads_here(address):
        return "leads to the tap already"
    if port_of(address) is None:
        return "stays: not on this machine"
    return "stays: the tap knows no runtime there (wfmon tap routes --set)"


def _plain(address: str) -> str:
    """Return an address without a user's name or password, on one line."""
    before, mark, rest = address.partition("://")
    return printable(f"{before}{mark}{rest.rpartition('@')[2]}")[:80]


def _short(path: Path) -> str:
    text = printable(str(path))
    home = str(Path.home())
    return "~" + text.removeprefix(home) if text.startswith(home + os.sep) else text


def _differs(change: Change) -> bool:
    try:
        return change.path.read_bytes() != change.after
    except OSError:
        return True


def _agreed() -> bool:
    if not sys.stdin.isatty():
        return False
    try:
        return input("\nWrite these? [y/N] ").strip().lower() in ("y", "yes", "j", "ja")
    except EOFError:
        return False


def _write(journal: Journal, changes: Sequence[Change]) -> int:
    failed = 0
    print()
    for change in changes:
        assert change.after is not None  # noqa: S101 - only such come here
        try:
            journal.write(change.path, change.after, change.mend, change.mode)
        except Unfit as unfit:
            failed += 1
            print(f"{_short(change.path)}: left as it is, since {unfit}")
        else:
            print(f"{_short(change.path)}: written")
    print("\nPrograms take it when they are started again, from a new shell. Back: wfmon tap setup --undo")
    return FAILED if failed else OK
