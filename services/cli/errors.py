"""Exit codes, and the error that a person reads: the thing, the reason, the mend."""

from __future__ import annotations

OK = 0
FAILED = 1
USAGE = 2
NOT_RUNNING = 3  # as `status` of an init script says it (LSB)
INTERRUPTED = 130
PIPE_CLOSED = 141


class CliError(Exception):
    """Ends the command: the message goes to standard error, `code` to the shell."""

    def __init__(self, message: str, code: int = FAILED) -> None:
        super().__init__(message)
        self.code = code


class NotRunning(CliError):
    """Nobody answers for this home."""

    def __init__(self, message: str) -> None:
        super().__init__(message, NOT_RUNNING)
