"""The monitor's own processes: supervisord and each service, by the pid files in `<home>/run`."""

from __future__ import annotations

from pathlib import Path

_LOOK_EVERY_S = 2.0


def _pid(path: Path) -> int:
    try:
        return int(path.read_text(encoding="ascii"))
    except (OSError, ValueError):  # being written, or gone
        return 0


class OwnProcesses:
    """service → pid, looked up each 2 s; a pid file left by a killed service names no living process."""

    def __init__(self, proc: Path, home: Path | None) -> None:
        self._proc = proc
        self._run = None if home is None else home / "run"
        self._pids: dict[str, int] = {}
        self._looked_s = -_LOOK_EVERY_S

    def at(self, now_s: float) -> dict[str, int]:
        """The same dict object as long as nothing changed."""
        if self._run is not None and now_s - self._looked_s >= _LOOK_EVERY_S:
            self._looked_s = now_s
            found = {path.stem: _pid(path) for path in sorted(self._run.glob("*.pid"))}
            alive = {name: pid for name, pid in found.items() if pid and (self._proc / str(pid)).exists()}
            if alive != self._pids:
                self._pids = alive
        return self._pids
