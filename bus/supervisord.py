"""supervisord whose services share their imports: `python -m bus.supervisord`, else as `supervisord`.

The plain one runs the same configuration, and starts each service with an interpreter of its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from supervisor import process, supervisord
from supervisor.options import ServerOptions, decode_wait_status

from bus.forking import Preloaded, fork
from bus.prompt_poller import PromptPoller
from bus.supervision import SUPERVISORD_PID

_preloaded: Preloaded | None = None  # once for all, also where supervisord reads its configuration again


class ForkingOptions(ServerOptions):  # type: ignore[misc]
    """Runs our services in the fork that supervisord has made anyway; execs all else. A child's end is seen at once."""

    def __init__(self) -> None:
        super().__init__()
        self.poller: PromptPoller = PromptPoller(self)  # the one before is garbage: it watches nothing yet

    def waitpid(self) -> tuple[int | None, int | None]:
        pid, status = super().waitpid()
        self.poller.again |= bool(pid)
        return pid, status

    def realize(self, *args: Any, **named: Any) -> None:
        global _preloaded
        super().realize(*args, **named)
        if _preloaded is None and sys.platform == "linux":
            _preloaded = Preloaded(self.configroot.supervisord.environment)

    def fork(self) -> int:
        for stream in (sys.stdout, sys.stderr):
            # What is still in there would be written once more by the child. An OSError of ours (the reader has gone)
            # would read as one of the fork.
            with contextlib.suppress(OSError, ValueError, AttributeError):  # None: it was closed at our start
                stream.flush()
        self.own_pid = os.getpid()
        return fork()

    def execve(self, filename: str, argv: Sequence[str], env: Mapping[str, str]) -> None:
        env = {**env, SUPERVISORD_PID: str(self.own_pid)}
        if _preloaded is not None and _preloaded.can_run(filename, argv, env):
            _preloaded.run(argv, env)
        super().execve(filename, argv, env)


def exit_status(wait_status: int) -> tuple[int, str]:
    """supervisord's own `decode_wait_status` (exit status, words for its log), whose -1 for every signal becomes the
    signal's number, negative as that of `subprocess`.
    """
    status, words = decode_wait_status(wait_status)
    return (-os.WTERMSIG(wait_status) if os.WIFSIGNALED(wait_status) else status), words


if __name__ == "__main__":
    process.decode_wait_status = exit_status
    supervisord.ServerOptions = ForkingOptions
    supervisord.main()
