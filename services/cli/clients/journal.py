"""What was written into files of the user, and the way back: `<home>/tap-setup/`, told before each file is touched.

`journal.json` lists the files with the hash before and after; beside it lies each as it was before. A file that changed
since is not restored: what its owner wrote counts more than what we did.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from services.cli.clients.files import Unfit, digest, read, replace, sync_folder
from services.cli.errors import CliError

_PRIVATE = 0o600


@dataclass(frozen=True, slots=True)
class Entry:
    """One file as it was written."""

    path: str
    before: str
    """SHA-256 of what was there; empty: there was no file."""
    after: str
    kept: str
    """The copy of what was there, beside the journal; empty where there was no file."""
    mend: str
    """How to take it back by hand."""


class Journal:
    """The entries, in the order in which they were written."""

    def __init__(self, home: Path) -> None:
        self._folder = home / "tap-setup"
        self._file = self._folder / "journal.json"

    def entries(self) -> list[Entry]:
        """Return what was written and not taken back. Raises CliError where the journal cannot be read."""
        try:
            told = json.loads(self._file.read_bytes())
            return [Entry(**one) for one in told["written"]]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CliError(
                f"the journal {self._file} cannot be read ({error}); the files as they were lie beside it"
            ) from None

    def write(self, path: Path, after: bytes, mend: str, mode: int = 0o644) -> None:
        """Change one file: first the journal, then the file. Raises Unfit, with the file untouched."""
        target, before = read(path)
        if before == after:
            return
        entries = self.entries()
        kept = ""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        if before is not None:
            kept = f"{secrets.token_hex(8)}.before"
            replace(self._folder / kept, before, mode=_PRIVATE)
        self._keep([*entries, Entry(str(target), digest(before), digest(after), kept, mend)])
        try:
            replace(target, after, mode=None if before is not None else mode)
        except Unfit:
            self._keep(entries)
            raise

    def undo(self) -> Iterator[tuple[Entry, str]]:
        """Restore what was written, the newest first; yield each entry and why it was not restored, empty if it was."""
        left: list[Entry] = []
        waiting = self.entries()
        blocked: set[str] = set()
        while waiting:
            entry = waiting.pop()
            why = "a later change of it could not be taken back" if entry.path in blocked else self._restore(entry)
            if why:
                blocked.add(entry.path)
                left.insert(0, entry)
            self._keep([*waiting, *left])
            if not why and entry.kept:
                (self._folder / entry.kept).unlink(missing_ok=True)
            yield entry, why

    def _restore(self, entry: Entry) -> str:
        path = Path(entry.path)
        try:
            target, now = read(path)
            if str(target) != entry.path:
                return "it is a link to another file now"
            if digest(now) == entry.before:
                return ""
            if digest(now) != entry.after:
                return "it was removed since" if now is None else "it was changed since"
            if not entry.kept:
                path.unlink()
                sync_folder(path.parent)
                return ""
            before = (self._folder / entry.kept).read_bytes()
            if digest(before) != entry.before:
                return "the copy of it as it was is damaged"
            replace(path, before)
        except Unfit as unfit:
            return str(unfit)
        except OSError as error:
            return f"it cannot be restored: {error.strerror}"
        return ""

    def _keep(self, entries: list[Entry]) -> None:
        if not entries:
            self._file.unlink(missing_ok=True)
            # What is left in the folder are copies of files that are restored.
            for copy in self._folder.glob("*.before"):
                copy.unlink()
            if self._folder.exists():
                os.rmdir(self._folder)
            return
        told = {"version": 1, "written": [asdict(entry) for entry in entries]}
        replace(self._file, json.dumps(told, indent=1).encode() + b"\n", mode=_PRIVATE)
