"""Why a process ended: exit codes, and the reason kept for the listener's event and for people."""

import json
import os
import signal
import sys
import time
import traceback

from bus.home import Home

EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 78  # EX_CONFIG of sysexits.h: starting again does not help until a person mends it


def keep_crash(home: Home, name: str, error: BaseException) -> None:
    """Keeps the reason in `<home>/log/<name>.crash.json`."""
    summary = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "pid": os.getpid(),
        "error": f"{type(error).__name__}: {error}",
        "traceback": traceback.format_exception(error)[-6:],
    }
    try:
        (home.log / f"{name}.crash.json").write_text(json.dumps(summary, indent=1), encoding="utf-8")
    except OSError as failure:
        print(f"the reason could not be kept: {failure}", file=sys.stderr)


def end_of(exit_status: int) -> str:
    """How a process ended, in words, by the exit status that supervisord tells of it; negative: the signal's number.

    A plain supervisord says -1 of every signal, so that -1 names none.

    >>> end_of(-9), end_of(-1), end_of(78)
    ('killed by SIGKILL', 'killed by a signal', 'exit status 78')
    """
    if exit_status >= 0:
        return f"exit status {exit_status}"
    if exit_status == -1:
        return "killed by a signal"
    try:
        return f"killed by {signal.Signals(-exit_status).name}"
    except ValueError:  # of the real-time ones the first and the last alone have a name
        return f"killed by signal {-exit_status}"


def read_crash(home: Home, name: str, pid: int) -> str:
    """The reason that the process `pid` of a service kept; empty where it kept none (a kill, an exit)."""
    try:
        summary = json.loads((home.log / f"{name}.crash.json").read_text(encoding="utf-8"))
        return str(summary["error"]) if summary["pid"] == pid else ""
    except (OSError, ValueError, KeyError, TypeError):
        return ""
