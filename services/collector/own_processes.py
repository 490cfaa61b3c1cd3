"""The monitor's own processes: supervisord and each service, by the pid files in `<home>/run`."""

from __future__ import annotations

import os
from pathlib import Path

_LOOK_EVERY_S = 2.0


def _pid(path: str) -> int:
    try:
        with open(path, "rb") as file:
            return int(file.read(32))
    except (OSError, ValueError):  # being written, or gone
        return 0


class OwnProcesses:
    """service → pid, looked up each 2 s; a pid file left by a killed service names no living process.

    One for all samplers that ask: a look costs 0.1 ms.
    """

    def __init__(self, proc: Path, home: Path | None) -> None:
        self._proc = str(proc)
        self._run = None if home is None else home / "run"
        self._written: dict[str, tuple[int, int]] = {}
        self._pids: dict[str, int] = {}
        self.pss_bytes: dict[int, float] = {}
        """pid → proportional memory, as OwnCost reads it: to read it again for the process table is dear."""
        self._looked_s = -_LOOK_EVERY_S

    def at(self, now_s: float) -> dict[str, int]:
        """The same dict object as long as nothing changed."""
        if self._run is not None and now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            found = self._look(self._run)
            if found != self._pids:
                self._pids = found
        return self._pids

    def _look(self, run: Path) -> dict[str, int]:
        """Reads a pid file again only where it was written since."""
        written: dict[str, tuple[int, int]] = {}
        try:
            with os.scandir(run) as entries:
                for entry in entries:
                    if entry.name.endswith(".pid"):
                        name, when = entry.name[:-4], entry.stat().st_mtime_ns
                        known = self._written.get(name)
                        written[name] = known if known and known[0] == when else (when, _pid(entry.path))
        except OSError:  # no such folder yet, or a file went while we looked
            return self._pids
        # A file that was read while it was being written is read again.
        self._written = {name: one for name, one in written.items() if one[1]}
        pids = {name: written[name][1] for name in sorted(written)}
        return {name: pid for name, pid in pids.items() if pid and os.path.exists(f"{self._proc}/{pid}")}
