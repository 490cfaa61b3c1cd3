"""The start: what must be true before it, supervisord itself, and waiting until the page can be opened."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bus.crash import EXIT_REFUSED
from bus.home import Config, Home, write_private
from bus.locks import AlreadyRunning, hold_pid_file
from bus.supervision import render_supervisor_conf
from services.cli.errors import CliError
from services.cli.ports import check_free
from services.cli.supervisor import Program, Supervisor

READY_WITHIN_S = 60.0  # a machine under full load took 23 s once
# The path of a Unix socket may have 103 bytes on macOS, 107 on Linux; supervisord first binds one with its pid behind.
_SOCKET_PATH_BYTES = 103 - len(".4194304")
# While a start is waited for, it is looked so often whether supervisord has ended or a service gave up.
_LOOK_S = 0.5


def configure(home: Home, port_base: int | None) -> Home:
    """Prepare the folders and keep a chosen port block; return the home as it now is. Raises HomeError,
    CliError.
    """
    os.umask(0o077)
    longest = home.run / "supervisor.sock"
    if len(os.fsencode(longest)) > _SOCKET_PATH_BYTES:
        raise CliError(
            f"the path of the home is too long for its sockets: {longest} has {len(os.fsencode(longest))} bytes, "
            f"{_SOCKET_PATH_BYTES} are possible. Choose a shorter one with --home DIR"
        )
    home.prepare()
    if port_base is not None and port_base != home.config.port_base:
        if not 1024 <= port_base <= 65531:
            raise CliError(f"--port-base {port_base} is not possible: five ports from it on must lie in 1024 to 65535")
        Config(port_base=port_base, bus=home.config.bus).save(home.config_file)
        return Home(home.root)
    return home


@contextmanager
def starting(home: Home) -> Iterator[None]:
    """Hold the start to ourselves: two at once would race for the same ports and sockets."""
    try:
        with hold_pid_file(home.run / "up.lock", "wfmon up"):
            yield
    except AlreadyRunning as error:
        raise CliError(f"another start is under way: {error}") from None


def launch(home: Home) -> subprocess.Popen[bytes]:
    """Start supervisord and with it every service, all at once. Raises CliError where a port is taken."""
    check_free(home)
    conf = render_supervisor_conf(home, sys.executable)
    write_private(home.root / "supervisor.conf", conf.encode())
    make_token(home)
    # Left by one that was killed; a new supervisord would wait for it to answer.
    (home.run / "supervisor.sock").unlink(missing_ok=True)
    return Supervisor(home).start()


def make_token(home: Home) -> None:
    """Make the API token where there is none yet, so that we can knock before the gateway has made it."""
    if not home.token_file.exists():
        write_private(home.token_file, f"{secrets.token_urlsafe(32)}\n".encode())


class NotReady(CliError):
    """The start did not come to its end. `hopeless`: nor will it by itself, a person must mend something
    first.
    """

    def __init__(self, message: str, hopeless: bool) -> None:
        super().__init__(message)
        self.hopeless = hopeless


class Start:
    """A start under way: `door()` and `ready()` return when the page, and when everything, can be used."""

    def __init__(self, home: Home, process: subprocess.Popen[bytes]) -> None:
        # Late: while grpc is being imported here, the services are already starting.
        from services.cli.readiness import Readiness

        self._home = home
        self._process = process
        self._began_s = time.monotonic()
        self._readiness = Readiness(home)
        self._readiness.start()
        self._settled = threading.Event()
        self._hopeless = False
        threading.Thread(target=self._look_for_failure, daemon=True).start()

    def door(self) -> None:
        """Return once the gateway answers. Raises NotReady with the reason where it does not."""
        self._wait(("",))

    def ready(self) -> None:
        """Return once the services behind the door serve. Raises CliError with the reason where they will not."""
        from services.cli.readiness import BEHIND_THE_DOOR

        self._wait(BEHIND_THE_DOOR)

    def close(self) -> None:
        self._settled.set()
        self._readiness.close()

    def _wait(self, services: tuple[str, ...]) -> None:
        left_s = self._began_s + READY_WITHIN_S - time.monotonic()
        if reason := self._readiness.wait(services, max(0.0, left_s)):
            if self._hopeless:
                raise NotReady(f"the monitor cannot start: {reason}", hopeless=True)
            mend = f"What runs goes on trying: wfmon status; the logs are in {self._home.log}"
            raise NotReady(f"the monitor is not ready: {reason}. {mend}", hopeless=False)

    def _look_for_failure(self) -> None:
        supervisor = Supervisor(self._home)
        while not self._settled.wait(_LOOK_S):
            if (code := self._process.poll()) is not None:
                self._give_up(self._end(supervisor, code))
                return
            for program in _programs(supervisor):
                if program.state in ("EXITED", "FATAL") and program.exit_code == EXIT_REFUSED:
                    self._give_up(f"{program.name}: {last_words(self._home, program.name)}")
                    return

    def _end(self, supervisor: Supervisor, code: int) -> str:
        said = supervisor.last_words.read_text(encoding="utf-8", errors="replace").splitlines()
        reason = next((f" ({line})" for line in said if line.startswith("Error: ")), "")
        return f"supervisord ended with exit code {code}{reason}; its log: {self._home.log / 'supervisord.log'}"

    def _give_up(self, reason: str) -> None:
        self._hopeless = True
        self._readiness.give_up(reason)


def _programs(supervisor: Supervisor) -> list[Program]:
    try:
        return supervisor.programs()
    except CliError:  # not up yet, or gone
        return []


def last_words(home: Home, service: str) -> str:
    """Return why a service ended, as it kept it; where it kept nothing, where to look."""
    try:
        kept = json.loads((home.log / f"{service}.crash.json").read_text(encoding="utf-8"))["error"]
        return str(kept).removeprefix("HomeError: ").removeprefix("AlreadyRunning: ")
    except (OSError, ValueError, KeyError, TypeError):
        return f"see {home.log / service}.log"
