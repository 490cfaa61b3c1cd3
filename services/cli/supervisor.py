"""supervisord of one home: is it there, what does it run, start it, stop it.

It is spoken to over its Unix socket (`<home>/run/supervisor.sock`), as supervisorctl does.
"""

from __future__ import annotations

import os
import select
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from bus.home import REPOSITORY, Home
from services.cli.errors import CliError, NotRunning

START_HINT = "start it with: wfmon up"
_ANSWER_WITHIN_S = 5.0


@dataclass(frozen=True, slots=True)
class Program:
    """One program as supervisord sees it. `state` is its word: RUNNING, STOPPED, EXITED, FATAL …"""

    name: str
    state: str
    pid: int
    since_s: int  # wall clock; 0 where it never ran
    exit_code: int  # of its last end, negative where a signal ended it (bus.crash.end_of), 0 while it runs


class Supervisor:
    """The one of `home`, running or not."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._socket = home.run / "supervisor.sock"

    def pid(self) -> int | None:
        """Return the pid of the running supervisord; None where nobody answers on its socket."""
        if not self._socket.exists():
            return None
        try:
            return int(self._call("getPID"))
        except OSError:
            return None

    def programs(self) -> list[Program]:
        """Return what it runs, in the order of the configuration. Raises NotRunning."""
        try:
            found = self._call("getAllProcessInfo")
        except OSError:
            raise self.not_running() from None
        return [
            Program(info["name"], info["statename"], info["pid"], info["start"], info["exitstatus"]) for info in found
        ]

    def not_running(self) -> NotRunning:
        return NotRunning(f"the monitor is not running on {self._home.root}; {START_HINT}")

    def start(self) -> subprocess.Popen[bytes]:
        """Start supervisord with the configuration of the home; it outlives us unless we end it."""
        # bus.supervisord: its services share their imports. From our own folder, since -m looks where it stands first.
        command = [sys.executable, "-m", "bus.supervisord", "-n", "-c", str(self._home.root / "supervisor.conf")]
        # A PYTHONPATH of ours is none of its services', and where PYTHONSAFEPATH is set -m looks nowhere else.
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
        # Of its own session, so that Ctrl-C at our terminal comes to us alone and we end it in order.
        # What it prints stands in its log, but for what it says before it has one. A pipe to us would end it with us.
        with open(self.last_words, "wb", opener=_private) as words:
            return subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=words,
                start_new_session=True,
            )

    @property
    def last_words(self) -> Path:
        """The file of what it says where it cannot start."""
        return self._home.log / "supervisord.err"

    def stop(self, timeout_s: float) -> None:
        """Stop it and all it runs. Raises NotRunning, or CliError where it is still there after `timeout_s`."""
        pid = self.pid()
        if pid is None:
            raise self.not_running()
        try:
            self._call("shutdown")
        except OSError as error:
            raise CliError(f"supervisord (pid {pid}) did not take the stop: {error}") from error
        if not wait_for_end(pid, timeout_s):
            raise CliError(
                f"supervisord (pid {pid}) is still stopping its services after {timeout_s:.0f} s; "
                f"see {self._home.log / 'supervisord.log'}, or end it with: kill -9 {pid}"
            )

    def _call(self, method: str) -> Any:
        import socket
        from xmlrpc.client import Fault, ProtocolError, ServerProxy

        from supervisor.xmlrpc import SupervisorTransport

        transport = SupervisorTransport(None, None, serverurl=f"unix://{self._socket}")
        server = ServerProxy("http://127.0.0.1", transport=transport)
        # supervisor's transport takes no timeout of its own, and a stopped supervisord would hold us for ever.
        before = socket.getdefaulttimeout()
        socket.setdefaulttimeout(_ANSWER_WITHIN_S)
        try:
            return cast(Any, server).supervisor.__getattr__(method)()
        except TimeoutError:
            raise CliError(self._silent()) from None
        except (Fault, ProtocolError) as error:
            raise OSError(str(error)) from error
        finally:
            socket.setdefaulttimeout(before)
            transport.close()

    def _silent(self) -> str:
        try:
            pid = (self._home.run / "supervisord.pid").read_text().strip()
        except OSError:
            pid = "unknown"
        return (
            f"supervisord (pid {pid}) does not answer within {_ANSWER_WITHIN_S:.0f} s; if it was stopped, let it go on "
            f"with kill -CONT {pid}, else end it with kill -9 {pid}: its services then end by themselves"
        )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def wait_for_end(pid: int, timeout_s: float) -> bool:
    """Wait until a process is gone; False where it is still there after `timeout_s`."""
    if hasattr(os, "pidfd_open"):
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            return True
        try:
            return bool(select.select([descriptor], [], [], timeout_s)[0])
        finally:
            os.close(descriptor)
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:  # macOS: nothing tells of the end of a process that is not our child
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.05)
    return False
