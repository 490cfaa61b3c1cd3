"""Who points where: the settings of this user's programs as they are, and as they would be. Changes nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.cli.clients import keys, shell
from services.cli.clients.address import Tap
from services.cli.clients.files import Unfit, read
from services.cli.clients.programs import Edit, programs
from services.cli.clients.texts import Value


@dataclass(slots=True)
class Change:
    """One file: what it says, and its new text; `after` None: it stays."""

    name: str
    path: Path
    values: list[Value] = field(default_factory=list)
    after: bytes | None = None
    why_not: str = ""
    mend: str = ""
    mode: int = 0o644


def survey(home: Path, env: Mapping[str, str], tap: Tap, script_path: Path) -> list[Change]:
    """Return every settings file that is there and the files of the shell, each with what would become of it."""
    found = [
        change for program in programs(home, env) if (change := _of(program.name, program.path, program.edit, tap))
    ]
    return [*found, *_of_the_shell(home, env, tap, script_path)]


def _of(name: str, path: Path, edit: Edit, tap: Tap) -> Change | None:
    change = Change(name, path)
    try:
        _, before = read(path)
        if before is None:
            return None
        text, change.values = edit(before.decode(), tap)
    except Unfit as unfit:
        change.why_not = str(unfit)
        return change
    except UnicodeDecodeError:
        change.why_not = "it is no text in UTF-8"
        return change
    if text.encode() != before:
        change.after = text.encode()
        back = [f"{value.key}: {value.was}" if value.was else f"no {value.key}" for value in change.values if value.now]
        change.mend = "write there again: " + ", ".join(back)
    return change


def _of_the_shell(home: Path, env: Mapping[str, str], tap: Tap, script_path: Path) -> list[Change]:
    paths = shell.profiles(home, env)
    script = shell.script(tap, env, keys.paid(home, env)).encode()
    changes = [Change("shell", script_path, after=script, mend="remove it", mode=0o600)] if paths else []
    for path in paths:
        change = Change("shell", path, mend=f"remove the lines from {shell.BEGIN} to {shell.END}")
        try:
            before = read(path)[1] or b""
            after = shell.with_block(before.decode("utf-8", "surrogateescape"), script_path)
            change.after = after.encode("utf-8", "surrogateescape")
            if change.after == before:
                change.after = None
        except Unfit as unfit:
            change.why_not = str(unfit)
        changes.append(change)
    return changes
